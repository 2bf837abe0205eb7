// Compares the pids that the pod's pid namespace gave out with the threads that live in it.
// /proc/sys/kernel/ns_last_pid tells the number of the reader's own pid namespace: a child of ours enters that namespace and reads it.
#include "track-unseen.h"
#include "track-text.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY_PIDS = 1 << 16, HEAR_LIMIT_MS = 100 };

static void read_for_ever(int ask, int hear)
{
	char order, text[32];
	int fd = open("/proc/sys/kernel/ns_last_pid", O_RDONLY);
	while (read(ask, &order, 1) == 1) {
		ssize_t n = pread(fd, text, sizeof text - 1, 0);
		text[n < 0 ? 0 : n] = 0;
		int64_t last = n > 0 ? atoll(text) : -1;
		if (write(hear, &last, sizeof last) != sizeof last) break;
	}
	_exit(0);
}

// In the middle child: enters the namespace; only its own child is inside.
static void enter(pid_t pid, int ask, int hear)
{
	sigset_t all;
	int space = open_process(pid, "ns/pid", O_RDONLY);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (space < 0 || setns(space, CLONE_NEWPID) || dup2(ask, 0) < 0 || dup2(hear, 1) < 0) _exit(1);
	syscall(SYS_close_range, 2, ~0u, 0);
	pid_t inside = fork();
	if (!inside) read_for_ever(0, 1);
	_exit(inside < 0);
}

static bool start_reader(unseen_watch *w, pid_t pid)
{
	int ask[2], hear[2], status = 1;
	if (pipe2(ask, O_CLOEXEC)) return false;
	if (pipe2(hear, O_CLOEXEC)) return close(ask[0]), close(ask[1]), false;
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		close(ask[1]);
		close(hear[0]);
		enter(pid, ask[0], hear[1]);
	}
	close(ask[0]);
	close(hear[1]);
	if (child > 0)
		while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
	w->ask = ask[1];
	w->hear = hear[0];
	if (status) close(w->ask), close(w->hear);
	return !status;
}

static void stop_reader(unseen_watch *w)
{
	if (!w->running) return;
	close(w->ask);
	close(w->hear);
	w->running = false;
}

void close_unseen(unseen_watch *w)
{
	stop_reader(w);
	free(w->threads);
}

// The child is a process of the pod too, which may have killed or stopped it: then it cannot be said, and a new one is started.
static int64_t last_pid(unseen_watch *w)
{
	int64_t last = -1;
	struct pollfd wait = {.fd = w->hear, .events = POLLIN};
	bool heard = write(w->ask, "?", 1) == 1 && poll(&wait, 1, HEAR_LIMIT_MS) == 1 && read(w->hear, &last, sizeof last) == sizeof last;
	if (heard) return last;
	stop_reader(w);
	return -1;
}

// The outermost namespace that the processes have: what is born in an inner one gets a pid in this one too.
static pid_t outermost(const pid_t *pids, size_t count)
{
	pid_t best = 0;
	int best_depth = 0;
	for (size_t i = 0; i < count; i++) {
		int depth;
		char *status = read_process(pids[i], "status", NULL);
		bool known = status && innermost_pid(status, &depth);
		free(status);
		if (!known || (best && depth >= best_depth)) continue;
		best = pids[i];
		best_depth = depth;
	}
	return best;
}

static int by_thread(const void *a, const void *b)
{
	pid_t x = ((const seen_thread *)a)->thread, y = ((const seen_thread *)b)->thread;
	return (x > y) - (x < y);
}

// A thread of a nested pid namespace is known by its innermost pid, so its outer one counts as unseen: too careful, never wrong.
// A number in the cache is older than the last look, so a thread number used twice cannot hide a new pid.
static uint32_t inner_of(const unseen_watch *w, size_t known, pid_t thread)
{
	int depth;
	seen_thread key = {.thread = thread};
	const seen_thread *hit = known ? bsearch(&key, w->threads, known, sizeof key, by_thread) : NULL;
	if (hit) return hit->inner;
	char *status = read_process(thread, "status", NULL);
	uint32_t inner = status ? innermost_pid(status, &depth) : 0;
	free(status);
	return inner;
}

static void list_threads(unseen_watch *w, size_t known, pid_t pid)
{
	char path[64];
	struct dirent *entry;
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *folder = opendir(path);
	while (folder && (entry = readdir(folder))) {
		pid_t thread = (pid_t)atoi(entry->d_name);
		if (thread <= 0) continue;
		uint32_t inner = inner_of(w, known, thread);
		w->threads = grow(w->threads, &w->room, w->count + 1, sizeof *w->threads);
		w->threads[w->count++] = (seen_thread){thread, inner};
	}
	if (folder) closedir(folder);
}

// The list of the last look is in front, sorted, while the new one is made behind it.
static void refresh_threads(unseen_watch *w, const pid_t *pids, size_t count)
{
	size_t known = w->count;
	for (size_t i = 0; i < count; i++) list_threads(w, known, pids[i]);
	if (w->count > known) memmove(w->threads, w->threads + known, (w->count - known) * sizeof *w->threads);
	w->count -= known;
	if (w->count) qsort(w->threads, w->count, sizeof *w->threads, by_thread);
}

static bool lives(const unseen_watch *w, int64_t inner)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->threads[i].inner == inner) return true;
	return false;
}

// A container's processes are born in one namespace, or in ones inside it.
bool prepare_for_unseen(unseen_watch *w, const pid_t *pids, size_t count)
{
	pid_t first = w->running ? 0 : outermost(pids, count);
	if (first) {
		w->judged = false;
		w->running = start_reader(w, first);
	}
	refresh_threads(w, pids, count);
	return w->running;
}

bool has_come(unseen_watch *w)
{
	return !w->running || !w->judged || last_pid(w) != w->last;
}

bool look_for_unseen(unseen_watch *w, const pid_t *pids, size_t count)
{
	if (!prepare_for_unseen(w, pids, count)) return true;
	int64_t before = w->last;
	bool judged = w->judged;
	w->last = last_pid(w);
	w->judged = w->last >= 0;
	if (!judged || !w->judged || w->last < before || w->last - before > MANY_PIDS) return true;
	for (int64_t pid = before + 1; pid <= w->last; pid++)
		if (!lives(w, pid)) return true;
	return false;
}
