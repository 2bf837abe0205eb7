// A bit for each page of a segment: written, or data.
#pragma once
#include "track.h"

size_t bitmap_words(const segment *g);
// The pages of [start, end), offsets.
void set_bits(uint64_t *bits, uint64_t start, uint64_t end, bool value);
void bits_to_spans(const segment *g, const uint64_t *bits, spans *out);

// Fills g->data: which pages are no holes.
void find_all_data(segment *g);
// The same for pages that were written or taken away.
void refresh_data(segment *g, const span *changed);
