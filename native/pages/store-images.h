// criu's image files: two magic numbers, then messages with their length before them.
#pragma once
#include "protobuf.h"

enum { MAGIC_SIZE = 8 };

typedef struct {
	uint8_t *at;
	size_t length, next;
} image;

// The caller frees `at`; false with errno.
bool load_image(image *i, const char *path);
bool next_entry(image *i, bytes *entry);
// The same file with other contents; false with errno.
bool write_image(const char *path, const void *contents, size_t length);
