// A second process that keeps the restored ones from reading zeros where the store died before it gave them their pages.
// The last close of a userfaultfd makes the kernel answer every missing page with zeros, and a store that is
// killed closes all. The guard shares its table of descriptors, so they stay open, threads that need a page wait,
// and the container is killed: its state is lost, as if its node had crashed, but nobody has seen a wrong byte.
#include "store-guard.h"
#include "files.h"
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

static bool read_cgroup(int pid, char *out, size_t size)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
	char *text = read_file(path, size, NULL);
	bool ok = text && *text && strlen(text) < size;
	if (ok) strcpy(out, text);
	free(text);
	return ok;
}

// All that share its cgroups: a container without a pid namespace of its own does not end with its first process.
// (It shares them with us only where nothing is a container.)
static void kill_container(int first)
{
	char theirs[PATH_SIZE], other[PATH_SIZE];
	bool known = read_cgroup(first, theirs, sizeof theirs) && read_cgroup(getpid(), other, sizeof other);
	bool apart = known && strcmp(theirs, other) != 0;
	kill(first, SIGKILL);
	DIR *all = apart ? opendir("/proc") : NULL;
	for (struct dirent *e; all && (e = readdir(all));) {
		int pid = atoi(e->d_name);
		if (pid > 1 && read_cgroup(pid, other, sizeof other) && !strcmp(theirs, other)) kill(pid, SIGKILL);
	}
	if (all) closedir(all);
}

// Until it has gone, or for ever, if nobody says whom to kill: waiting threads are better than wrong ones.
static void keep_killing(const char *pid_file)
{
	for (;; usleep(100 * 1000)) {
		char text[32];
		int pid = first_line(pid_file, text, sizeof text) ? atoi(text) : 0;
		if (pid <= 1) continue;
		if (kill(pid, 0) && errno == ESRCH) return;
		kill_container(pid);
	}
}

static void guard(int server, const _Atomic bool *guarded, const char *pid_file)
{
	struct pollfd ended = {server, POLLIN, 0};
	prctl(PR_SET_NAME, "podmotion-guard");
	prctl(PR_SET_PDEATHSIG, 0);
	while (poll(&ended, 1, -1) < 0 && errno == EINTR) continue;
	if (atomic_load(guarded)) keep_killing(pid_file);
	_exit(0);
}

_Atomic bool *start_guard(const char *socket)
{
	char pid_file[PATH_SIZE];
	const char *slash = strrchr(socket, '/');
	if (!make_path(pid_file, "%.*s/gate.pid", slash ? (int)(slash - socket) : 1, slash ? socket : ".")) return NULL;
	void *shared = mmap(NULL, sizeof(_Atomic bool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int server = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (shared == MAP_FAILED || server < 0) return NULL;
	long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) guard(server, shared, pid_file);
	return pid > 0 ? shared : NULL;
}
