// Bitmaps of a segment's pages, and which of them are data.
// Reading a hole makes it data without a trace, but what is read there is zero on both sides.
#include "track-bits.h"
#include "track-answer.h"
#include "track-kernel.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

size_t bitmap_words(const segment *g)
{
	return g->size / PAGE / 64 + 1;
}

void set_bits(uint64_t *bits, uint64_t start, uint64_t end, bool value)
{
	for (uint64_t page = start / PAGE; page < end / PAGE; page++) {
		uint64_t bit = 1ull << (page % 64);
		bits[page / 64] = value ? bits[page / 64] | bit : bits[page / 64] & ~bit;
	}
}

void bits_to_spans(const segment *g, const uint64_t *bits, spans *out)
{
	for (uint64_t page = 0; page < g->size / PAGE; page++) {
		uint64_t word = bits[page / 64];
		if (!word) page |= 63;
		else if (word >> (page % 64) & 1) {
			span *last = out->count ? &out->at[out->count - 1] : NULL;
			if (last && last->end == page * PAGE) last->end += PAGE;
			else add_span(out, page * PAGE, (page + 1) * PAGE);
		}
	}
}

// The first data at or behind AT, but no further than END.
static uint64_t next_data(const segment *g, uint64_t at, uint64_t end)
{
	off_t found = lseek(g->fd, (off_t)at, SEEK_DATA);
	if (found < 0 && errno != ENXIO) stop_with("reading shared memory %lu: its data cannot be found: %s", (unsigned long)g->inode, strerror(errno));
	return found < 0 || (uint64_t)found > end ? end : (uint64_t)found;
}

// 30 ms a gigabyte.
void find_all_data(segment *g)
{
	memset(g->data, 0, bitmap_words(g) * 8);
	for (uint64_t at = next_data(g, 0, g->size), stop; at < g->size; at = next_data(g, stop, g->size)) {
		off_t hole = lseek(g->fd, (off_t)at, SEEK_HOLE);
		if (hole <= (off_t)at) stop_with("reading shared memory %lu: its holes cannot be found", (unsigned long)g->inode);
		stop = (uint64_t)hole < g->size ? (uint64_t)hole : g->size;
		set_bits(g->data, at, stop, true);
	}
}

// Page by page: to find a hole the kernel walks through all the data before it, for each span again.
void refresh_data(segment *g, const span *changed)
{
	set_bits(g->data, changed->start, changed->end, false);
	for (uint64_t at = next_data(g, changed->start, changed->end); at < changed->end; at = next_data(g, at + PAGE, changed->end))
		set_bits(g->data, at, at + PAGE, true);
}
