// A second process that keeps the restored ones from reading zeros where the store died before it gave them their pages.
#pragma once
#include "files.h"
#include <stdatomic.h>

// In memory that both share, as they share their descriptors.
typedef struct {
	_Atomic bool needed;    // restored processes wait for pages
	int first;              // pidfd of the container's first process, -1: nobody said which
	char cgroup[PATH_SIZE]; // of it, as /proc tells; empty when it is also ours
} guarded;

// NULL: errno.
guarded *start_guard(void);
// From now on the container whose first process is named in `gate.pid` beside SOCKET needs the store.
void guard_container(guarded *g, const char *socket);
