// What of a process's descriptors cannot be moved, each with process and descriptor.
#pragma once
#include "descriptor.h"
#include <sys/types.h>

enum { REASONS = 256 };

typedef struct {
	char text[REASONS][256];
	unsigned count;
} reasons;

void add_reason(reasons *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void print_reasons(const reasons *r);
// By the target of /proc/PID/fd/N.
void check_target(reasons *r, pid_t pid, int number, const char *target);
// A socket that is neither TCP nor unix.
void check_socket(reasons *r, pid_t pid, int number, int family, int protocol);
// Unix sockets connected to somebody who does not move along.
int check_unix_peers(reasons *r, const inode_set *ours, int count, char **pids);
