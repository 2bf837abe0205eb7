// What comes over the wire, read through a buffer, with the reason when it cannot go on.
#pragma once
#include "wire.h"
#include <lz4.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { INPUT_SIZE = 256 << 10 };

typedef enum { NEXT, ENDED, BROKEN } outcome;

typedef struct {
	int fd;
	size_t at, used;
	char input[INPUT_SIZE];
	char packed[LZ4_COMPRESSBOUND(PACK_BYTES)], unpacked[PACK_BYTES];
	char why[256];
} page_input;

// Large pieces go where they belong without a copy. Returns what came before the end.
size_t take(page_input *in, void *out, size_t size);
outcome take_header(page_input *in, message *m);
// What follows a header of packed contents; in `unpacked` then.
outcome take_block(page_input *in, const message *m);
outcome broken(page_input *in, const char *format, ...) __attribute__((format(printf, 2, 3)));
outcome cut_short(page_input *in);
// Whole pages, at least one, below LIMIT.
bool fits(uint64_t address, uint64_t length, uint64_t limit);
// False with errno.
bool send_message(int fd, const message *m);
