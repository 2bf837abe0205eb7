// Shared memory that comes: each segment a memfd, filled as its pages arrive.
#pragma once
#include "store-memory.h"

#define SEGMENT_LIMIT 65536u
#define SEGMENT_SIZE_LIMIT (1ull << 40)

typedef struct {
	uint64_t id, size;  // criu's shmid
	int fd;             // -1: dropped
	char *data;         // mapped, while it is filled
	uint64_t *held;     // pages that are here, zero or not
	range_list populated;
} segment;

typedef struct {
	segment *at;
	size_t count;
} segment_list;

// INDEX is the next one, or one that is begun afresh. False: a limit, or errno.
bool begin_segment(segment_list *list, uint32_t index, uint64_t id, uint64_t size, const char *name);
segment *find_segment(segment_list *list, uint32_t index);
void drop_segment(segment *s);
void drop_segments(segment_list *list);
bool zero_segment(segment *s, uint64_t offset, uint64_t length);
// How many populated pages never came. The rest is made to read as zero; segments without a map are dropped.
uint64_t settle_segments(segment_list *list);
size_t count_segments(const segment_list *list);
