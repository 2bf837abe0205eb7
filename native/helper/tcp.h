// One TCP socket: its state, ends, and the sequence numbers that must be the same after the move.
#pragma once
#include <inttypes.h>
#include <stdbool.h>

bool is_tcp(int family, int protocol);
// Takes a socket out of repair, without a packet; false when it was not in repair.
bool leave_repair(int fd);
void print_tcp(int fd, uint64_t inode, int family, bool first);
