// Finds the pages of a segment that changed although nobody was seen writing, by a hash of each page as it was sent.
#include "track.h"
#include "track-answer.h"
#include "track-kernel.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UNIT = 256 << 10, THREADS = 8, LANES = 4 };

// Four independent lanes, so that the multiplications overlap; in each a step is a bijection, so one changed word always shows.
uint64_t page_hash(const void *page)
{
	static const uint64_t odd[LANES] = {0x9e3779b97f4a7c15ull, 0xc2b2ae3d27d4eb4full, 0x165667b19e3779f9ull, 0xd6e8feb86659fd93ull};
	uint64_t lane[LANES] = {1, 2, 3, 4};
	const uint64_t *word = page;
	for (int i = 0; i < PAGE / 8; i += LANES)
		for (int k = 0; k < LANES; k++) {
			lane[k] = (lane[k] ^ word[i + k]) * odd[k];
			lane[k] ^= lane[k] >> 32;
		}
	uint64_t hash = lane[0] + 3 * lane[1] + 5 * lane[2] + 7 * lane[3];
	return hash ? hash : 1;
}

typedef struct {
	const segment *g;
	const spans *units;
	size_t first, step; // units first, first+step, …
	uint64_t compared;
	spans changed;
	bool failed;
} comparison;

static void add_changed(spans *changed, uint64_t start)
{
	span *last = changed->count ? &changed->at[changed->count - 1] : NULL;
	if (last && last->end == start) last->end += PAGE;
	else add_span(changed, start, start + PAGE);
}

static void compare_unit(comparison *c, const span *unit, const char *buffer)
{
	for (uint64_t at = unit->start; at < unit->end; at += PAGE) {
		uint64_t sent = c->g->hashes[at / PAGE];
		if (!sent || page_hash(buffer + (at - unit->start)) != sent) add_changed(&c->changed, at);
	}
}

static bool was_sent(const segment *g, const span *unit)
{
	for (uint64_t at = unit->start; at < unit->end; at += PAGE)
		if (g->hashes[at / PAGE]) return true;
	return false;
}

static void *compare(void *context)
{
	comparison *c = context;
	char *buffer = malloc(UNIT);
	c->failed = !buffer;
	for (size_t i = c->first; !c->failed && i < c->units->count; i += c->step) {
		const span *unit = &c->units->at[i];
		size_t length = unit->end - unit->start;
		if (!was_sent(c->g, unit)) {
			for (uint64_t at = unit->start; at < unit->end; at += PAGE) add_changed(&c->changed, at);
			continue;
		}
		c->failed = pread(c->g->fd, buffer, length, (off_t)unit->start) != (ssize_t)length;
		if (!c->failed) compare_unit(c, unit, buffer);
		c->compared += length / PAGE;
	}
	free(buffer);
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
	if (c->failed) stop_with("comparing shared memory %lu: it cannot be read", (unsigned long)c->g->inode);
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
