// The real criu as our child, with a socketpair of ours in place of runc's.
#pragma once
#include "files.h"
#include <sys/types.h>

typedef struct {
	pid_t pid;
	int pidfd, socket;
} child;

bool find_criu(char out[PATH_SIZE]);
// NUMBER: of the socket, as criu's argument. PRELOAD: added to criu's LD_PRELOAD, or NULL.
bool start_criu(child *c, int number, const char *preload);
// On its way out, or gone.
bool is_exiting(pid_t pid);
// Waits for it; the exit code, or the same signal raised.
int mirror_end(const child *c);
