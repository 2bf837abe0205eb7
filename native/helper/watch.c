// Watches which parts of files are written, by the kernel's own events: recorded into buffers of ours, read now and then lest they run over, and once
// more whenever somebody wants to know.
#include "watch.h"
#include "command.h"
#include "mapped.h"
#include "watch-trial.h"
#include "write-events.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { READ_EVERY_NS = 20000000 };

static trace events = {.tracefs = -1, .folder = -1};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool on;
static int trial_file = -1;
static uint64_t device;
// Files that were mapped before they were watched have not been looked for.
static bool mapped_unknown;
// How often writes were gathered: now, and when a file was looked at.
static unsigned gathered = 1, looked_at[FILES];

static void stop(void)
{
	on = false;
	all_stale_for_good();
	close_trace(&events);
}

// From here on everything is looked at wholly.
static void give_up(const char *reason)
{
	if (on) complain("blocks: nothing is watched any more: %s", reason);
	stop();
}

static void *read_now_and_then(void *context)
{
	for (;;) {
		nanosleep(&(struct timespec){.tv_nsec = READ_EVERY_NS}, NULL);
		pthread_mutex_lock(&lock);
		if (on && !read_trace(&events, note_write, NULL)) give_up("events were lost");
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static const char *begin(const char *folder)
{
	trial_file = make_trial_file(folder, &device);
	if (trial_file < 0) return "no file of our own can be made there";
	const char *reason = open_trace(&events);
	if (!reason) reason = record_writes(&events, trace_device(device));
	if (!reason) reason = try_events(&events, trial_file);
	if (reason) return reason;
	pthread_t thread;
	on = true;
	return pthread_create(&thread, NULL, read_now_and_then, NULL) ? "no thread can be started" : NULL;
}

const char *start_watching(const char *folder)
{
	if (trial_file >= 0) return "it has been started";
	// Whoever reads no answers any more ends us in good order: nothing is left in the kernel.
	signal(SIGPIPE, SIG_IGN);
	const char *reason = begin(folder);
	if (reason) end_watching();
	return reason;
}

// What goes to memory of a device past the page cache.
static bool is_dax(int fd)
{
	struct statx is;
	return statx(fd, "", AT_EMPTY_PATH, 0, &is) || is.stx_attributes & STATX_ATTR_DAX;
}

const char *watch_file(unsigned file, int fd)
{
	struct stat is;
	if (fstat(fd, &is) || (uint64_t)is.st_dev != device) return "it is on another file system";
	if (is_dax(fd)) return "it is not in the page cache";
	pthread_mutex_lock(&lock);
	// What was done to it before is no matter.
	if (on && !read_trace(&events, note_write, NULL)) give_up("events were lost");
	if (on) watch_inode(file, trace_device(device), is.st_ino);
	mapped_unknown = true;
	bool watched = on;
	pthread_mutex_unlock(&lock);
	return watched ? NULL : "nothing is watched";
}

// Pages that are in a process's memory by now come with no event.
static void note_mapped(uint64_t inode)
{
	pthread_mutex_lock(&lock);
	stale_for_good_by_inode(inode);
	pthread_mutex_unlock(&lock);
}

void gather_writes(void)
{
	// Twice: one that is moved while the list is read could be passed by.
	bool all_seen = !mapped_unknown || (find_mapped(note_mapped) && find_mapped(note_mapped));
	mapped_unknown = false;
	pthread_mutex_lock(&lock);
	gathered++;
	if (on && !all_seen) give_up("a process hides what it has mapped");
	if (on && !begin_pulse(trial_file)) give_up("the file of our own cannot be read");
	if (on && (!read_trace(&events, note_write, NULL) || lost_events(&events))) give_up("events were lost");
	if (on && !end_pulse()) give_up("no events come any more");
	pthread_mutex_unlock(&lock);
}

stale stale_now(unsigned file, uint64_t inode, uint64_t size)
{
	pthread_mutex_lock(&lock);
	stale found = take_stale(file, inode, size);
	pthread_mutex_unlock(&lock);
	if (looked_at[file] != gathered) return looked_at[file] = gathered, found;
	free_stale(found);
	return (stale){0};
}

void end_watching(void)
{
	pthread_mutex_lock(&lock);
	stop();
	pthread_mutex_unlock(&lock);
}
