// Where the pages of a restored process are now: it moves, unmaps and empties memory while its pages still come.
#include "store-mapping.h"
#include <stdlib.h>
#include <string.h>

static bool make_room(mapping *m, size_t more)
{
	if (m->count + more <= m->size) return true;
	size_t size = 2 * (m->count + more);
	piece *bigger = realloc(m->at, size * sizeof *bigger);
	if (!bigger) return false;
	m->at = bigger;
	m->size = size;
	return true;
}

// The first piece that ends behind ADDRESS.
static size_t place_of(const mapping *m, uint64_t address)
{
	size_t low = 0, high = m->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (m->at[middle].end <= address) low = middle + 1;
		else high = middle;
	}
	return low;
}

static void put_piece(mapping *m, size_t place, piece p)
{
	memmove(m->at + place + 1, m->at + place, (m->count - place) * sizeof *m->at);
	m->at[place] = p;
	m->count++;
}

static void remove_pieces(mapping *m, size_t place, size_t count)
{
	memmove(m->at + place, m->at + place + count, (m->count - place - count) * sizeof *m->at);
	m->count -= count;
}

bool map_all(mapping *m, uint64_t limit)
{
	*m = (mapping){0};
	if (!make_room(m, 1)) return false;
	put_piece(m, 0, (piece){0, limit, 0});
	return true;
}

bool copy_mapping(mapping *to, const mapping *from)
{
	*to = (mapping){0};
	if (!make_room(to, from->count + 1)) return false;
	if (from->count) memcpy(to->at, from->at, from->count * sizeof *to->at);
	to->count = from->count;
	return true;
}

void free_mapping(mapping *m)
{
	free(m->at);
	*m = (mapping){0};
}

const piece *find_piece(const mapping *m, uint64_t address)
{
	size_t place = place_of(m, address);
	return place < m->count && m->at[place].start <= address ? &m->at[place] : NULL;
}

// Makes a border at ADDRESS, if a piece goes across it.
static void split(mapping *m, uint64_t address)
{
	size_t place = place_of(m, address);
	if (place == m->count || m->at[place].start >= address) return;
	piece *p = &m->at[place];
	piece behind = {address, p->end, p->image + (address - p->start)};
	p->end = address;
	put_piece(m, place + 1, behind);
}

bool cut_mapping(mapping *m, uint64_t start, uint64_t end)
{
	if (start >= end) return true;
	if (!make_room(m, 2)) return false;
	split(m, start);
	split(m, end);
	size_t first = place_of(m, start), last = first;
	while (last < m->count && m->at[last].start < end) last++;
	remove_pieces(m, first, last - first);
	return true;
}

bool move_mapping(mapping *m, uint64_t from, uint64_t to, uint64_t length)
{
	mapping moved;
	uint64_t end = from + length;
	if (!make_room(m, 4)) return false;
	split(m, from);
	split(m, end);
	if (!copy_mapping(&moved, m)) return false;
	// What stood at either place is gone first; the two may overlap in nothing (mremap refuses that).
	bool ok = cut_mapping(m, from, end) && cut_mapping(m, to, to + length) && make_room(m, moved.count);
	for (size_t i = place_of(&moved, from); ok && i < moved.count && moved.at[i].start < end; i++) {
		piece p = moved.at[i];
		p.end = p.end - from + to;
		p.start = p.start - from + to;
		put_piece(m, place_of(m, p.start), p);
	}
	free_mapping(&moved);
	return ok;
}
