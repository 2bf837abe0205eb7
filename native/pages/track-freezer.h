// Stops every process of a cgroup for an instant; a watchdog lets them go on when the tracker dies meanwhile.
#pragma once
#include <stdbool.h>

typedef struct {
	const char *folder; // of a v1 freezer or a v2 cgroup
	int watchdog; // pipe to the child: F before freezing, T after thawing
} freezer;

// Before anything else is open: the child keeps nothing of ours but the pipe.
bool start_watchdog(freezer *f);
bool is_frozen(const freezer *f);
// False: not frozen within 2 s, and thawed again.
bool freeze(freezer *f);
void thaw(freezer *f);
