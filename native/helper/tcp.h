// One TCP socket: its state, ends, and the sequence numbers that must be the same after the move.
#pragma once
#include <inttypes.h>
#include <stdbool.h>

void print_tcp(int fd, uint64_t inode, int family, bool first);
