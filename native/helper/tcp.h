// One TCP socket: its state, ends, and the sequence numbers that must be the same after the move.
#pragma once
#include <inttypes.h>
#include <stdbool.h>

// Room for an end, `IP:PORT` or `[IPv6]:PORT`, and for `PROTOCOL LOCAL REMOTE`.
enum { END_SIZE = 64, KEY_SIZE = 160 };

bool local_end(int fd, char text[END_SIZE]);
bool remote_end(int fd, char text[END_SIZE]);
bool is_listener(int fd);
void print_tcp(int fd, uint64_t inode, int family, bool first);
