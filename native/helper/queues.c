// `queues PID`: at each line of input, how many connections wait to be accepted at the listeners of PID's network namespace. By sock_diag, which
// looks through listeners alone; /proc/net/tcp goes on through the connections of the whole host, 5 to 10 ms a family.
#include "command.h"
#include "netlink.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	uint64_t waiting;
	int error;
} count;

static bool on_listener(struct nlmsghdr *m, void *arg)
{
	count *c = arg;
	if (m->nlmsg_type == NLMSG_DONE) return false;
	if (m->nlmsg_type == NLMSG_ERROR) return c->error = -((struct nlmsgerr *)NLMSG_DATA(m))->error, false;
	// Of a listener it is the length of its accept queue.
	c->waiting += ((struct inet_diag_msg *)NLMSG_DATA(m))->idiag_rqueue;
	return true;
}

static bool count_family(int fd, uint8_t family, count *c)
{
	batch b = {0};
	struct inet_diag_req_v2 request = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = 1 << TCP_LISTEN};
	begin_message(&b, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof request);
	if (!send_batch(fd, &b) || !receive_messages(fd, on_listener, c)) c->error = errno;
	free_batch(&b);
	return !c->error;
}

static int enter(const char *pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%.20s/ns/net", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET)) return complain("queues: the network namespace of %.20s: %s", pid, strerror(errno));
	close(fd);
	return 0;
}

int queues_command(int argc, char **argv)
{
	if (argc != 1) return complain("queues: expected a process");
	if (enter(argv[0])) return 1;
	int fd = open_netlink(NETLINK_SOCK_DIAG);
	if (fd < 0) return complain("queues: sock_diag: %s", strerror(errno));
	for (int byte; (byte = getchar()) != EOF;) {
		count c = {0};
		if (byte != '\n') continue;
		if (!count_family(fd, AF_INET, &c) || !count_family(fd, AF_INET6, &c)) return complain("queues: sock_diag: %s", strerror(c.error));
		printf("%llu\n", (unsigned long long)c.waiting);
		fflush(stdout);
	}
	close(fd);
	return 0;
}
