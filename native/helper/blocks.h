// Files by blocks: the digests of what the other end has, and the blocks that differ from them.
#pragma once
#include "digest.h"
#include "stale.h"

typedef struct {
	size_t blocks;
	digest *digests;
	uint64_t size; // where it was last looked at; 0: never
} known_file;

typedef struct {
	const uint64_t *key;
	// NULL: digests alone are wanted. Called with a run of blocks of at most SEGMENT bytes, by several threads, one at a time; false ends the scan.
	bool (*changed)(uint64_t at, const void *data, uint32_t length);
	stale stale; // beside what lies beyond the known file's size, or this one's
} block_scan;

enum { SEGMENT = 256 << 10 };

// Reads what is stale of the open file and brings KNOWN up to date. A file that shrinks meanwhile ends in zeros. False with errno.
bool scan_blocks(const block_scan *scan, int fd, uint64_t size, known_file *known);
// As long as a file of SIZE bytes; what is new in it is zeros, as the other end has it there.
bool fit_known(const uint64_t *key, known_file *known, uint64_t size);
