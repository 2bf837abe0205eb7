// Unix sockets connected to somebody who does not move along, by sock_diag in the pods' network namespaces.
#include "command.h"
#include "netlink.h"
#include "reason.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
	reasons *found;
	const inode_set *ours;
	inode_set told;
	int error;
} peer_check;

static bool on_unix_socket(struct nlmsghdr *m, void *arg)
{
	peer_check *c = arg;
	const struct nlattr *a[UNIX_DIAG_MAX + 1];
	if (m->nlmsg_type == NLMSG_DONE) return false;
	if (m->nlmsg_type == NLMSG_ERROR) return c->error = -((struct nlmsgerr *)NLMSG_DATA(m))->error, false;
	const struct unix_diag_msg *d = NLMSG_DATA(m);
	read_message(a, UNIX_DIAG_MAX, m, sizeof *d);
	uint32_t other = read_u32(a[UNIX_DIAG_PEER]);
	if (!other || !has_inode(c->ours, d->udiag_ino) || has_inode(c->ours, other) || !add_inode(&c->told, d->udiag_ino)) return true;
	add_reason(c->found, "unix socket %u is connected to socket %u of a process outside the pod", d->udiag_ino, other);
	return true;
}

static int check_here(peer_check *c)
{
	batch b = {0};
	struct unix_diag_req request = {.sdiag_family = AF_UNIX, .udiag_states = ~0u, .udiag_show = UDIAG_SHOW_PEER};
	int fd = open_netlink(NETLINK_SOCK_DIAG);
	if (fd < 0) return errno;
	begin_message(&b, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof request);
	bool ok = send_batch(fd, &b) && receive_messages(fd, on_unix_socket, c);
	int error = ok ? c->error : errno;
	free_batch(&b);
	close(fd);
	return error;
}

static int check_namespace(peer_check *c, inode_set *done, const char *pid)
{
	char path[64];
	struct stat st;
	snprintf(path, sizeof path, "/proc/%.20s/ns/net", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;
	// A process that ended after it was listed has no namespace any more, a zombie neither: nothing of it is left to be moved.
	if (fd < 0) return errno == ENOENT || errno == ESRCH ? 0 : errno;
	if (fstat(fd, &st)) error = errno;
	else if (add_inode(done, st.st_ino)) error = setns(fd, CLONE_NEWNET) ? errno : check_here(c);
	close(fd);
	return error;
}

int check_unix_peers(reasons *r, const inode_set *ours, int count, char **pids)
{
	peer_check c = {.found = r, .ours = ours};
	inode_set done = {0};
	int error = 0;
	for (int i = 0; i < count && !error && ours->count; i++) error = check_namespace(&c, &done, pids[i]);
	free(c.told.at);
	free(done.at);
	return error ? complain("sockets: unix sockets: %s", strerror(error)) : 0;
}
