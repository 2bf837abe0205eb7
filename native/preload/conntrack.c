// Of a dump: criu asks for the conntrack entries of the pod's own network namespace, twice (seen in 4.2), and the kernel looks for them through the
// table of the whole host: 12 ms each in the freeze (262,144 buckets), nearly always for nothing, since a namespace that filters nothing has no entries. Where
// the namespace counts none the question goes to the table of expected connections, which is small, and has none either.
#include "preload.h"
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool asks_for_entries(const struct msghdr *m)
{
	if (m->msg_iovlen != 1 || m->msg_iov[0].iov_len < sizeof(struct nlmsghdr)) return false;
	const struct nlmsghdr *head = m->msg_iov[0].iov_base;
	return head->nlmsg_type == (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET) && head->nlmsg_flags == (NLM_F_DUMP | NLM_F_REQUEST);
}

// Of the namespace that the caller is in, as its socket's.
static bool none_counted(void)
{
	char text[2] = "";
	int fd = real_open(AT_FDCWD, "/proc/sys/net/netfilter/nf_conntrack_count", O_RDONLY | O_CLOEXEC, 0);
	bool none = fd >= 0 && read(fd, text, sizeof text) == 2 && !memcmp(text, "0\n", 2);
	if (fd >= 0) close(fd);
	return none;
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (skip_folder() && asks_for_entries(message) && none_counted())
		((struct nlmsghdr *)message->msg_iov[0].iov_base)->nlmsg_type = NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_GET;
	return syscall(SYS_sendmsg, fd, message, flags);
}
