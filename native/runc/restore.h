// Runs `runc restore` for a stand-in.
#pragma once
#include "invocation.h"
#include "places.h"
#include <sys/types.h>

typedef struct {
	char *images, *work;
	bool lazy;
} restore_order;

typedef struct {
	bool held;         // criu waits for the gate's `ready` before it begins
	const char *pages; // the store's socket, or NULL
} restore_mode;

// Takes `restore IMAGES WORK 0|1` (or `arm …`) apart, in place.
bool parse_restore(char *line, restore_order *order);
pid_t spawn_restore(const invocation *in, const char *directory, const restore_order *order, const restore_mode *mode);
// From D/<container>/pid, which runc wrote; 0 when it cannot be read.
pid_t read_restored_pid(const char *directory);
// The gate has let it go: from then on the peers of its connections are this pod's, and no other's.
bool was_let_go(const char *directory);
