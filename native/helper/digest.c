// NH with its Toeplitz extension (Black, Halevi, Krawczyk, Krovetz, Rogaway: UMAC, CRYPTO '99): with 64-bit words each pass collides for one key in
// 2^64, and the second pass, the key moved by two words, is independent of the first. Nothing but multiplications: about as fast as memory.
#include "digest.h"
#include <string.h>

typedef unsigned __int128 sum;

digest digest_block(const uint64_t key[KEY_WORDS], const uint64_t block[BLOCK_WORDS])
{
	sum a = 0, b = 0;
	for (int i = 0; i < BLOCK_WORDS; i += 2) {
		a += (sum)(block[i] + key[i]) * (block[i + 1] + key[i + 1]);
		b += (sum)(block[i] + key[i + 2]) * (block[i + 1] + key[i + 3]);
	}
	return (digest){{(uint64_t)a, (uint64_t)(a >> 64), (uint64_t)b, (uint64_t)(b >> 64)}};
}
