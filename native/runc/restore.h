// Runs `runc restore` for a stand-in.
#pragma once
#include "invocation.h"
#include "places.h"
#include <sys/types.h>

typedef struct {
	char *images, *work;
	bool lazy;
} restore_order;

// Takes `restore IMAGES WORK 0|1` apart, in place.
bool parse_restore(char *line, restore_order *order);
pid_t spawn_restore(const invocation *in, const char *directory, const restore_order *order);
// From D/<container>/pid, which runc wrote; 0 when it cannot be read.
pid_t read_restored_pid(const char *directory);
