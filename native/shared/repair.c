// TCP sockets that a killed criu left in repair.
#include "repair.h"
#include "files.h"
#include <dirent.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int socket_option(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof value;
	return getsockopt(fd, level, name, &value, &size) ? -1 : value;
}

bool is_tcp(int family, int protocol)
{
	return (family == AF_INET || family == AF_INET6) && protocol == IPPROTO_TCP;
}

static bool set(int fd, int name, int value)
{
	return setsockopt(fd, IPPROTO_TCP, name, &value, sizeof value) == 0;
}

// SO_REUSEADDR went when repair began; a server that starts again needs its old connections to have it.
bool leave_repair(int fd)
{
	int reuse = 1;
	if (socket_option(fd, IPPROTO_TCP, TCP_REPAIR) != 1) return false;
	set(fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
	if (!set(fd, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP)) return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
	return true;
}

// What is no socket is passed over: a terminal or a device might notice that it was opened once more.
static bool is_socket(pid_t pid, const char *name)
{
	char path[PATH_SIZE], target[16] = "";
	return make_path(path, "/proc/%d/fd/%s", (int)pid, name) && readlink(path, target, sizeof target) > 8 && !memcmp(target, "socket:[", 8);
}

unsigned leave_repair_of(pid_t pid)
{
	char path[PATH_SIZE];
	unsigned freed = 0;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	DIR *all = make_path(path, "/proc/%d/fd", (int)pid) ? opendir(path) : NULL;
	for (struct dirent *e; pidfd >= 0 && all && (e = readdir(all));) {
		if (e->d_name[0] == '.' || !is_socket(pid, e->d_name)) continue;
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(e->d_name), 0);
		if (fd < 0) continue;
		bool tcp = is_tcp(socket_option(fd, SOL_SOCKET, SO_DOMAIN), socket_option(fd, SOL_SOCKET, SO_PROTOCOL));
		freed += tcp && leave_repair(fd);
		close(fd);
	}
	if (all) closedir(all);
	if (pidfd >= 0) close(pidfd);
	return freed;
}
