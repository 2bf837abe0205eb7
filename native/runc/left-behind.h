// What is below a stand-in besides its store: runc, criu, and what criu had restored when it was killed, stopped for ever.
#pragma once
#include <sys/types.h>

enum { LEFT_BEHIND = 1024 };

typedef struct {
	pid_t pids[LEFT_BEHIND];
	int count;
} left_behind;

left_behind find_left_behind(pid_t standin, pid_t store);
// Their connections end with a word to the peer, not silently as in the middle of a restore.
void free_left_behind(const left_behind *left);
void end_left_behind(const left_behind *left);
