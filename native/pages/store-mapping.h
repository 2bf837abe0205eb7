// Where the pages of a restored process are now: it moves, unmaps and empties memory while its pages still come.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Addresses [start, end) of the process hold what the dump had from `image` on.
typedef struct {
	uint64_t start, end, image;
} piece;

// Ascending by start, without overlap.
typedef struct {
	piece *at;
	size_t count, size;
} mapping;

// Everything where the dump had it. All that may fail is memory: false.
bool map_all(mapping *m, uint64_t limit);
bool copy_mapping(mapping *to, const mapping *from);
void free_mapping(mapping *m);
const piece *find_piece(const mapping *m, uint64_t address);
// The process emptied it: from now on it reads as zero there.
bool cut_mapping(mapping *m, uint64_t start, uint64_t end);
// mremap: what was at FROM is at TO now.
bool move_mapping(mapping *m, uint64_t from, uint64_t to, uint64_t length);
