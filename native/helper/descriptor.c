// Sets of inodes (open addressing: a pod may have thousands of sockets).
#include "descriptor.h"
#include <stdlib.h>

static uint64_t *place_of(const inode_set *set, uint64_t inode)
{
	size_t i = (inode * 0x9e3779b97f4a7c15u) & (set->size - 1);
	while (set->at[i] && set->at[i] != inode) i = (i + 1) & (set->size - 1);
	return &set->at[i];
}

static void grow(inode_set *set)
{
	inode_set larger = {.count = set->count, .size = set->size ? 2 * set->size : 1024};
	larger.at = calloc(larger.size, sizeof *larger.at);
	if (!larger.at) abort();
	for (size_t i = 0; i < set->size; i++)
		if (set->at[i]) *place_of(&larger, set->at[i]) = set->at[i];
	free(set->at);
	*set = larger;
}

bool add_inode(inode_set *set, uint64_t inode)
{
	if (2 * set->count >= set->size) grow(set);
	uint64_t *place = place_of(set, inode);
	if (*place) return false;
	*place = inode;
	set->count++;
	return true;
}

bool has_inode(const inode_set *set, uint64_t inode)
{
	return set->size && *place_of(set, inode) != 0;
}
