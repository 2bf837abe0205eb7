// Socket options that criu does not carry: told by the source, set again on the destination while its sockets wait at the gate.
#pragma once
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

// Lines `PROTOCOL LOCAL REMOTE|- LEVEL:NAME=VALUE… join=GROUP…` (native/README.md), sorted.
typedef struct {
	char **at;
	size_t count;
} option_lines;

// What is not as in a new socket; nothing otherwise.
void print_options(FILE *out, int fd, int family, int protocol, pid_t pid);
void sort_options(option_lines *lines);
// The socket's own line, if there is one; what the kernel refuses goes to OUT.
void set_options(FILE *out, option_lines *lines, int fd, int protocol);
