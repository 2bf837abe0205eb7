// Sets of inodes.
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
