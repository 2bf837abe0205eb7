// Of a dump: a socket leaves TCP repair as soon as criu has read it, not when the whole dump has ended. If criu is killed its tracees run on at
// once, whatever froze them before (criu thaws their cgroup when it has seized them), and in repair their next recv fails with EPERM: every
// connection would be closed by a program that noticed nothing else. The namespace is locked meanwhile, so that nothing is sent.
#include "preload.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OFF_WITHOUT_PROBE = -1, NONE = -1 };

static int being_read = NONE;

HOOK int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	int status = (int)syscall(SYS_setsockopt, fd, level, name, value, size);
	if (level == IPPROTO_TCP && name == TCP_REPAIR && status == 0 && !store_socket()) being_read = *(const int *)value == 1 ? fd : NONE;
	return status;
}

// criu reads one socket whole, then opens the image that this goes to (seen in 4.2). One that opened it first would fail to read the queues: the
// dump fails, and the move goes back.
void before_write(const char *path)
{
	int off = OFF_WITHOUT_PROBE;
	if (being_read == NONE || strncmp(path, "tcp-stream-", 11)) return;
	syscall(SYS_setsockopt, being_read, IPPROTO_TCP, TCP_REPAIR, &off, sizeof off);
	being_read = NONE;
}
