// The real criu as our child, with a socketpair of ours in place of runc's.
#include "child.h"
#include "program.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

bool find_criu(char out[PATH_SIZE])
{
	return find_program(out, "PODMOTION_CRIU", "/opt/podmotion/etc/criu-path", "criu");
}

// What stands in LD_PRELOAD already stays, first.
static bool add_preload(const char *preload)
{
	char both[2 * PATH_SIZE];
	const char *old = getenv("LD_PRELOAD");
	if (!preload) return true;
	if (!old || !*old) return setenv("LD_PRELOAD", preload, 1) == 0;
	int n = snprintf(both, sizeof both, "%s:%s", old, preload);
	return n < (int)sizeof both && setenv("LD_PRELOAD", both, 1) == 0;
}

// No PDEATHSIG: killed between two steps criu would leave seized tasks with its code inside them.
// If we die it reads the end of its socket instead, and cleans up.
static void exec_criu(const char *path, int socket, int number, const char *preload)
{
	char text[16];
	snprintf(text, sizeof text, "%d", number);
	if (dup2(socket, number) != number || !add_preload(preload)) _exit(127);
	execl(path, "criu", "swrk", text, (char *)NULL);
	_exit(127);
}

bool start_criu(child *c, int number, const char *preload)
{
	int pair[2];
	char path[PATH_SIZE];
	if (!find_criu(path)) return errno = ENOENT, false;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) return false;
	c->socket = pair[0];
	c->pid = fork();
	if (c->pid == 0) exec_criu(path, pair[1], number, preload);
	close(pair[1]);
	if (c->pid < 0) return close(pair[0]), false;
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	return c->pidfd >= 0;
}

// proc_pid_stat(5), field 9: the kernel's flags; PF_EXITING of include/linux/sched.h.
bool is_exiting(pid_t pid)
{
	enum { EXITING = 4 };
	char path[64];
	unsigned flags = EXITING;
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	char *text = read_file(path, PATH_SIZE, NULL);
	const char *name_end = text ? strrchr(text, ')') : NULL;
	if (name_end) sscanf(name_end, ") %*c %*d %*d %*d %*d %*d %u", &flags);
	free(text);
	return flags & EXITING;
}

int mirror_end(const child *c)
{
	int status;
	while (waitpid(c->pid, &status, 0) < 0)
		if (errno != EINTR) return 1;
	if (WIFEXITED(status)) return WEXITSTATUS(status);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}
