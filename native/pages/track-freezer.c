// The cgroup freezer, v1 or v2, and its watchdog.
// Who thaws what a killed tracker left frozen: the watchdog, at the end of its pipe, within a millisecond. It is in a session of its own
// and ignores all signals. If the whole container of the agent is killed in a round's pause, the agent thaws when it starts again.
#include "track-freezer.h"
#include "files.h"
#include "track-text.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FREEZE_LIMIT_US = 2000 * 1000, PAUSE_LIMIT_MS = 5000, POLL_US = 50 };

static bool is_v1(const char *folder)
{
	char path[PATH_SIZE];
	return make_path(path, "%s/freezer.state", folder) && file_exists(path);
}

static bool order(const char *folder, bool frozen)
{
	char path[PATH_SIZE];
	if (is_v1(folder)) return make_path(path, "%s/freezer.state", folder) && poke(path, frozen ? "FROZEN" : "THAWED");
	return make_path(path, "%s/cgroup.freeze", folder) && poke(path, frozen ? "1" : "0");
}

// Reading v1's freezer.state is also what makes the kernel look whether all have stopped.
bool is_frozen(const freezer *f)
{
	char path[PATH_SIZE];
	bool v1 = is_v1(f->folder);
	if (!make_path(path, "%s/%s", f->folder, v1 ? "freezer.state" : "cgroup.events")) return false;
	char *text = read_file(path, 1 << 16, NULL);
	bool frozen = text && (v1 ? !strncmp(text, "FROZEN", 6) : strstr(text, "frozen 1") != NULL);
	free(text);
	return frozen;
}

static void tell(freezer *f, char state)
{
	while (write(f->watchdog, &state, 1) < 0 && errno == EINTR) continue;
}

bool freeze(freezer *f)
{
	int64_t deadline = clock_us() + FREEZE_LIMIT_US;
	tell(f, 'F');
	bool frozen = order(f->folder, true);
	while (frozen && !is_frozen(f)) {
		frozen = clock_us() < deadline;
		usleep(POLL_US);
	}
	if (!frozen) thaw(f);
	return frozen;
}

void thaw(freezer *f)
{
	order(f->folder, false);
	tell(f, 'T');
}

// A tracker that stands still in the pause is ended: what it holds for true no longer is when the processes run.
static void watch(const char *folder, int pipe, pid_t tracker)
{
	bool frozen = false;
	for (;;) {
		char state;
		struct pollfd wait = {.fd = pipe, .events = POLLIN};
		if (!poll(&wait, 1, frozen ? PAUSE_LIMIT_MS : -1)) kill(tracker, SIGKILL);
		ssize_t n = read(pipe, &state, 1);
		if (n < 0 && errno == EINTR) continue;
		if (n != 1) break;
		frozen = state == 'F';
	}
	if (frozen) order(folder, false);
	_exit(0);
}

bool start_watchdog(freezer *f)
{
	int ends[2];
	sigset_t all;
	pid_t tracker = getpid();
	if (pipe(ends)) return false;
	pid_t child = fork();
	if (child < 0) return false;
	if (!child) {
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		setsid();
		if (dup2(ends[0], 0) < 0) _exit(1);
		syscall(SYS_close_range, 1, ~0u, 0);
		watch(f->folder, 0, tracker);
	}
	close(ends[0]);
	f->watchdog = ends[1];
	return true;
}
