// LZ4 costs a fraction of what TLS and the agents on both sides cost for the same bytes, so a quarter less of them is worth it.
#include "track-pack.h"
#include "track-answer.h"
#include <lz4.h>
#include <stdlib.h>

// After contents that would not shrink so many pieces go as they are, twice as many each time: images, archives and ciphers come in long runs.
enum { MOST_SKIPPED = 64 };

struct packer {
	unsigned skip, skip_next;
	void *state;
	char out[LZ4_COMPRESSBOUND(PACK_BYTES)];
};

packer *new_packer(void)
{
	packer *p = calloc(1, sizeof *p);
	if (p) p->state = malloc((size_t)LZ4_sizeofState());
	if (!p || !p->state) stop_with("packing memory: no memory left on this node");
	return p;
}

void free_packer(packer *p)
{
	if (p) free(p->state);
	free(p);
}

size_t pack(packer *p, const void *data, size_t length, const void **packed)
{
	if (p->skip) return p->skip--, 0;
	int size = LZ4_compress_fast_extState(p->state, data, p->out, (int)length, (int)(length - length / 4), 1);
	if (size > 0) {
		p->skip_next = 0;
		*packed = p->out;
		return (size_t)size;
	}
	p->skip = p->skip_next = p->skip_next ? p->skip_next * 2 < MOST_SKIPPED ? p->skip_next * 2 : MOST_SKIPPED : 1;
	return 0;
}
