// `tcp PID`: the TCP of PID's network namespace, an answer a line to each word a line. Sockets by sock_diag, which passes over what is not asked
// for; /proc/net/tcp formats its way through the connections of the whole host: 11 ms a family where these take 0.1 to 0.5.
#include "address.h"
#include "command.h"
#include "files.h"
#include "netlink.h"
#include <arpa/inet.h>
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

// Of the kernel alone: a connection whose handshake has not ended, before it has a socket.
enum { NEW_SYN_RECV = 12 };

typedef struct {
	const char *word;
	uint32_t states;
	void (*see)(const struct inet_diag_msg *socket, uint64_t *count);
} question;

typedef struct {
	const question *asked;
	uint64_t count;
	int error;
} look;

// Of a listener it is the length of its accept queue.
static void count_waiting(const struct inet_diag_msg *socket, uint64_t *count)
{
	*count += socket->idiag_rqueue;
}

static void count_one(const struct inet_diag_msg *socket, uint64_t *count)
{
	++*count;
}

static void print_end(uint8_t family, const uint32_t *bytes, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];
	// An IPv4 address of an IPv6 socket is one.
	bool mapped = family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)bytes);
	address a = {.family = mapped ? AF_INET : family};
	memcpy(a.bytes, mapped ? bytes + 3 : bytes, address_size(&a));
	printf(",\"%s\",%u", print_address(text, &a), ntohs(port));
}

static void print_socket(const struct inet_diag_msg *socket, uint64_t *count)
{
	printf("%s[%u", (*count)++ ? "," : "", socket->idiag_state);
	print_end(socket->idiag_family, socket->id.idiag_src, socket->id.idiag_sport);
	print_end(socket->idiag_family, socket->id.idiag_dst, socket->id.idiag_dport);
	putchar(']');
}

static const question questions[] = {
	{"waiting", 1 << TCP_LISTEN, count_waiting},
	{"half-open", 1 << TCP_SYN_RECV | 1 << NEW_SYN_RECV, count_one},
	{"sockets", ~0u, print_socket},
};

static bool on_socket(struct nlmsghdr *m, void *arg)
{
	look *l = arg;
	if (m->nlmsg_type == NLMSG_DONE) return false;
	if (m->nlmsg_type == NLMSG_ERROR) return l->error = -((struct nlmsgerr *)NLMSG_DATA(m))->error, false;
	l->asked->see(NLMSG_DATA(m), &l->count);
	return true;
}

static bool look_at(int fd, uint8_t family, look *l)
{
	batch b = {0};
	struct inet_diag_req_v2 request = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = l->asked->states};
	begin_message(&b, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof request);
	if (!send_batch(fd, &b) || !receive_messages(fd, on_socket, l)) l->error = errno;
	free_batch(&b);
	return !l->error;
}

static bool answer(int fd, const question *asked)
{
	look l = {.asked = asked};
	bool list = asked->see == print_socket;
	if (list) putchar('[');
	if (!look_at(fd, AF_INET, &l) || !look_at(fd, AF_INET6, &l)) return errno = l.error, false;
	if (list) puts("]");
	else printf("%llu\n", (unsigned long long)l.count);
	fflush(stdout);
	return true;
}

// Linux, Documentation/networking/ip-sysctl.rst: 3 and 4 are with tail loss probes. Of the namespace of whoever opens it.
static const char early_retransmit[] = "/proc/sys/net/ipv4/tcp_early_retrans";
static const char probes_word[] = "loss-probes";

// NULL: it asks something else. Empty: what is set, else to be set.
static const char *probes_wanted(const char *line)
{
	size_t length = strlen(probes_word);
	if (strncmp(line, probes_word, length)) return NULL;
	return line[length] == ' ' ? line + length + 1 : line[length] ? NULL : "";
}

static bool answer_probes(const char *wanted)
{
	char now[16];
	if (*wanted && !poke(early_retransmit, wanted)) return false;
	if (!first_line(early_retransmit, now, sizeof now)) return false;
	puts(now);
	fflush(stdout);
	return true;
}

static int enter(const char *pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%.20s/ns/net", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET)) return complain("tcp: the network namespace of %.20s: %s", pid, strerror(errno));
	close(fd);
	return 0;
}

static const question *question_of(const char *word)
{
	for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
		if (!strcmp(word, questions[i].word)) return &questions[i];
	return NULL;
}

int tcp_command(int argc, char **argv)
{
	if (argc != 1) return complain("tcp: expected a process");
	if (enter(argv[0])) return 1;
	int fd = open_netlink(NETLINK_SOCK_DIAG);
	if (fd < 0) return complain("tcp: sock_diag: %s", strerror(errno));
	char line[32];
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		const char *probes = probes_wanted(line);
		if (probes && answer_probes(probes)) continue;
		if (probes) return complain("tcp: %s: %s", early_retransmit, strerror(errno));
		const question *asked = question_of(line);
		if (!asked) return complain("tcp: \"%s\" is none of waiting, half-open, sockets, loss-probes", line);
		if (!answer(fd, asked)) return complain("tcp: sock_diag: %s", strerror(errno));
	}
	close(fd);
	return 0;
}
