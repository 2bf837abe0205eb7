// What of a process's descriptors cannot be moved, each with process and descriptor.
#include "reason.h"
#include "json.h"
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static const struct {
	const char *start, *what;
} unmovable[] = {
	{"anon_inode:[io_uring]", "an io_uring instance (set UV_USE_IO_URING=0 for Node.js, or turn io_uring off in the program)"},
	{"anon_inode:[userfaultfd]", "a userfaultfd"},
	{"anon_inode:bpf-prog", "a BPF program"},
	{"anon_inode:bpf_link", "a BPF link"},
	{"anon_inode:[perf_event]", "a perf event"},
	{"anon_inode:kvm", "a KVM virtual machine"},
	{"anon_inode:[vfio", "a VFIO device"},
	{"anon_inode:[fscontext]", "a file system context"},
	{"/dev/nvidia", "a GPU"},
	{"/dev/kvm", "a KVM device"},
	{"/dev/fuse", "a FUSE device"},
	{"/dev/vfio", "a VFIO device"},
	{"/dev/net/tun", "a TUN device"},
};

void add_reason(reasons *r, const char *format, ...)
{
	va_list args;
	if (r->count == REASONS) return;
	va_start(args, format);
	vsnprintf(r->text[r->count++], sizeof r->text[0], format, args);
	va_end(args);
}

void print_reasons(const reasons *r)
{
	for (unsigned i = 0; i < r->count; i++) {
		if (i) putchar(',');
		json_put(stdout, r->text[i]);
	}
}

void check_target(reasons *r, pid_t pid, int number, const char *target)
{
	for (size_t i = 0; i < sizeof unmovable / sizeof *unmovable; i++)
		if (!strncmp(target, unmovable[i].start, strlen(unmovable[i].start)))
			return add_reason(r, "process %d descriptor %d is %s", (int)pid, number, unmovable[i].what);
}

static bool criu_knows(int family)
{
	return family == AF_INET || family == AF_INET6 || family == AF_UNIX || family == AF_PACKET || family == AF_NETLINK;
}

void check_socket(reasons *r, pid_t pid, int number, int family, int protocol)
{
	bool ip = family == AF_INET || family == AF_INET6;
	if (ip && protocol == IPPROTO_MPTCP)
		return add_reason(r, "process %d descriptor %d is a multipath TCP socket (for Go programs set GODEBUG=multipathtcp=0)", (int)pid, number);
	if (ip && protocol == IPPROTO_SCTP) return add_reason(r, "process %d descriptor %d is an SCTP socket", (int)pid, number);
	if (!criu_knows(family)) add_reason(r, "process %d descriptor %d is a socket of family %d", (int)pid, number, family);
}
