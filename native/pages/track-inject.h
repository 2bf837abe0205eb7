// Opens a userfaultfd inside another process and brings it here: a userfaultfd watches the memory of the process that made it.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
	int userfault;
	int64_t stop_us; // how long the process stood still
	char reason[200]; // when it failed
} injection;

// PIDFD names the same process. The process is left as it was found, also when this fails.
bool inject_userfault(pid_t pid, int pidfd, injection *out);
// Closes one of its descriptors.
bool inject_close(pid_t pid, int number, injection *out);
