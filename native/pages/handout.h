// What the store says to criu's preload when that asks for the shared segments: a count, then each with its descriptor.
#pragma once
#include <stdint.h>

// The answer to the line `segments`. Each of the COUNT records behind it carries one descriptor (SCM_RIGHTS).
typedef struct {
	uint32_t magic; // of another kind: the store is not ready
	uint32_t count;
} handout_header;

typedef struct {
	uint64_t id, size; // criu's shmid; bytes
} handout_segment;

enum { HANDOUT_MAGIC = 0x504d5347 };
