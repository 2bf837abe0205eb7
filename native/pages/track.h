// What the tracker knows: processes with their watched memory, and shared segments.
#pragma once
#include "track-freezer.h"
#include "track-maps.h"
#include "track-smaps.h"
#include "track-stream.h"
#include "track-text.h"
#include "track-unseen.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Private memory of a process; FRESH: not scanned since it is watched, so every page that it has counts as written.
typedef struct {
	uint64_t start, end;
	bool fresh;
	bool anonymous; // criu restores it lazily; else it is of a file
} area;

// A mapping of a shared segment. MARKED: each of its page table entries was write-protected or marked, so a scan tells every write.
typedef struct {
	uint64_t start, end, offset;
	size_t segment;
	bool marked, kept;
} view;

typedef struct {
	pid_t pid;
	uint32_t owner; // innermost pid: the process's name on the wire
	int pidfd, userfault, pagemap, memory;
	bool listed; // in the cgroup at the last look
	bool rescan; // a scan failed: everything counts as fresh
	bool lost; // not tracked any longer, removed at the next chance
	area *areas;
	size_t area_count, area_room;
	view *views;
	size_t view_count, view_room;
	char *maps; // of the last look
	smaps_cache smaps;
} process;

typedef struct {
	uint64_t inode, size, device; // the device as stat has it
	unsigned major, minor; // and as maps has it
	int fd;
	const char *memory; // mapped here, to be read
	bool left; // left to criu
	bool announced; // the store knows it, under its index
	bool suspect; // writers may have gone unseen: to be compared page by page
	bool mapped; // by a process, at the last look
	uint64_t *written; // a bit a page: to be sent
	uint64_t *data; // a bit a page: no hole, as far as it was looked at
	uint64_t *hashes; // of what was sent; 0: never
} segment;

typedef struct {
	pid_t pid;
	char reason[200];
} obstacle;

typedef struct {
	const char *skip; // folder
	uint64_t minimum; // bytes
	freezer freezer;
	page_stream *out;
	unseen_watch unseen;
	process **processes;
	size_t process_count, process_room;
	segment *segments;
	size_t segment_count, segment_room;
	pid_t *pids; // of the cgroup, at the last look
	size_t pid_count, pid_room;
	obstacle *obstacles; // why which process is not tracked, at the last look
	size_t obstacle_count, obstacle_room;
	uint32_t *gone; // owners that the store shall forget
	size_t gone_count, gone_room;
	int round;
	int64_t stop_us; // the longest that a process stood still to be attached, this round
	uint64_t compared; // pages, since the last reset
	bool later; // the final set leaves anonymous pages at the source
	uint64_t left; // bytes that were left there
	const char *doubt; // why segments became suspect in this step, the first reason
} tracker;

typedef enum { LOOK_ROUND, LOOK_PROBE, LOOK_FINAL } look;

// track-process.c: who is in the cgroup, and attaching.
void list_pids(tracker *t);
void attach_new(tracker *t);
void drop_lost(tracker *t);
void close_processes(tracker *t);
// No other process of the cgroup answers to its name on the wire.
bool has_its_name_alone(const tracker *t, const process *p);
void lose(tracker *t, process *p, const char *format, ...) __attribute__((format(printf, 3, 4)));
void add_obstacle(tracker *t, pid_t pid, const char *format, ...) __attribute__((format(printf, 3, 4)));

// track-obstacle.c: a process whose memory is written to behind the page tables' back. False, with the reason.
bool can_be_watched(pid_t pid, char reason[200]);
// Leaves segments to criu that a descriptor of the process reaches: write() leaves no trace in any page table.
void leave_open_memfds(tracker *t, pid_t pid);

// A userfaultfd of another process's that was open for an instant when that one forked: closed here, for criu takes no process with one.
void close_inherited(const tracker *t, pid_t pid);

// track-look.c: compares what is mapped with what is watched; all tasks are frozen. Watches what is new in a round.
void look_at_all(tracker *t, look why);

// track-private.c
void send_private(tracker *t, process *p);
// Where the tracker says LATER, pages that the store lacks are only named.
void send_private_final(tracker *t, process *p);

// track-segment.c
enum { NO_SEGMENT = -1 };
long segment_of(tracker *t, pid_t pid, const mapping *m, bool create);
void close_segments(tracker *t);
void suspect(tracker *t, size_t index, const char *why);
void suspect_all(tracker *t, const char *why);
size_t count_suspect(const tracker *t);
size_t count_tracked_segments(const tracker *t);
void mark_new_views(tracker *t);
void scan_views(tracker *t, bool protect);
void send_segments(tracker *t, bool final);

// track-compare.c: never 0.
uint64_t page_hash(const void *page);
// The pages of DATA whose contents are not those that were sent, ascending, as spans of offsets.
void find_changed(tracker *t, const segment *g, const spans *data, int threads, spans *changed);

// track-skip.c
void clean_skip_folder(tracker *t);
void write_skip_files(tracker *t);
