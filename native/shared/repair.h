// TCP sockets that a killed criu left in repair: they send nothing, take nothing, and say nothing to their peer when they are closed.
#pragma once
#include <stdbool.h>
#include <sys/types.h>

// -1 when it cannot be read.
int socket_option(int fd, int level, int name);
bool is_tcp(int family, int protocol);
// Takes a socket out of repair, without a packet; false when it was not in repair.
bool leave_repair(int fd);
// All of a process. How many there were; a process that has ended has none.
unsigned leave_repair_of(pid_t pid);
