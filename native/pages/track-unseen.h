// Were there processes that nobody saw? A process that came, wrote to shared memory and ended between two looks leaves no page table to scan.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
	pid_t thread;
	uint32_t inner;
} seen_thread;

typedef struct {
	int ask, hear; // pipes to the child inside the pod's pid namespace
	int64_t last; // the last pid that the namespace gave out, at the last look
	bool judged; // LAST is of this namespace
	bool running; // the child
	seen_thread *threads;
	size_t count, room;
} unseen_watch;

// Starts the child and reads the threads; nothing is judged. Before the freeze, so that in it little is left to do.
bool prepare_for_unseen(unseen_watch *w, const pid_t *pids, size_t count);
// PIDS: all processes of the cgroup, now frozen. True when a pid was given out since the last look that is no living thread of theirs,
// or when that cannot be said.
bool look_for_unseen(unseen_watch *w, const pid_t *pids, size_t count);
// One was given out since the last look, whether its process lives or not, or that cannot be said. Freezes nobody, and changes no later answer.
bool has_come(unseen_watch *w);
void close_unseen(unseen_watch *w);
