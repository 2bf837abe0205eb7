// A second process that keeps the restored ones from reading zeros where the store died before it gave them their pages.
// The last close of a userfaultfd makes the kernel answer every missing page with zeros, and a store that is
// killed closes all. The guard shares its table of descriptors, so they stay open, threads that need a page wait,
// and the container is killed: its state is lost, as if its node had crashed, but nobody has seen a wrong byte.
#include "store-guard.h"
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool read_cgroup(int pid, char out[PATH_SIZE])
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
	char *text = read_file(path, PATH_SIZE, NULL);
	bool ok = text && *text && strlen(text) < PATH_SIZE;
	if (ok) strcpy(out, text);
	free(text);
	return ok;
}

static int send_signal(int pidfd, int number)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0);
}

// While criu still builds it: the pid cannot be another's yet, and its cgroup is the container's.
void guard_container(guarded *g, const char *socket)
{
	char pid_file[PATH_SIZE], text[32], ours[PATH_SIZE];
	const char *slash = strrchr(socket, '/');
	if (atomic_load(&g->needed)) return;
	bool named = make_path(pid_file, "%.*s/gate.pid", slash ? (int)(slash - socket) : 1, slash ? socket : ".") && first_line(pid_file, text, sizeof text);
	int pid = named ? atoi(text) : 0;
	g->first = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	bool known = g->first >= 0 && read_cgroup(pid, g->cgroup) && !send_signal(g->first, 0);
	// Only where nothing is a container it is ours as well.
	if (!known || !read_cgroup(getpid(), ours) || !strcmp(ours, g->cgroup)) g->cgroup[0] = 0;
	atomic_store(&g->needed, true);
}

// All of its cgroup: a container without a pid namespace of its own does not end with its first process.
static int kill_cgroup(const guarded *g)
{
	char other[PATH_SIZE];
	int killed = 0;
	DIR *all = g->cgroup[0] ? opendir("/proc") : NULL;
	for (struct dirent *e; all && (e = readdir(all));) {
		int pid = atoi(e->d_name);
		if (pid > 1 && read_cgroup(pid, other) && !strcmp(g->cgroup, other)) killed += !kill(pid, SIGKILL);
	}
	if (all) closedir(all);
	return killed;
}

static bool has_ended(int pidfd)
{
	struct pollfd ended = {pidfd, POLLIN, 0};
	return poll(&ended, 1, 100) > 0;
}

// Until all have gone; for ever, if nobody said which: waiting threads are better than wrong ones.
static void keep_killing(const guarded *g)
{
	while (g->first < 0) pause();
	do send_signal(g->first, SIGKILL);
	while (kill_cgroup(g) || !has_ended(g->first));
}

static void guard(int server, const guarded *g)
{
	struct pollfd ended = {server, POLLIN, 0};
	prctl(PR_SET_NAME, "podmotion-guard");
	while (poll(&ended, 1, -1) < 0 && errno == EINTR) continue;
	if (atomic_load(&g->needed)) keep_killing(g);
	_exit(0);
}

guarded *start_guard(void)
{
	guarded *g = mmap(NULL, sizeof *g, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int server = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (g == MAP_FAILED || server < 0) return NULL;
	g->first = -1;
	long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) guard(server, g);
	return pid > 0 ? g : NULL;
}
