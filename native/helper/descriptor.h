// Sets of inodes, and reading one socket option.
#pragma once
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

typedef struct {
	uint64_t *at;
	size_t count, size;
} inode_set;

// False when it was there already.
bool add_inode(inode_set *set, uint64_t inode);
bool has_inode(const inode_set *set, uint64_t inode);
// -1 when it cannot be read.
int socket_option(int fd, int level, int name);
