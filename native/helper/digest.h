// Tells whether a block is still what it was, without keeping it.
#pragma once
#include <stdint.h>

enum { BLOCK = 4096, BLOCK_WORDS = BLOCK / 8, KEY_WORDS = BLOCK_WORDS + 2 };

typedef struct {
	uint64_t words[4];
} digest;

// KEY: random, of this move, and unknown to whoever writes the blocks. Two given blocks that differ have the same digest for one key in 2^128.
digest digest_block(const uint64_t key[KEY_WORDS], const uint64_t block[BLOCK_WORDS]);
