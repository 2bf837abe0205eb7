// Reads what is stale of a file with several threads, segment by segment, and compares its blocks with the digests of what the other end has.
#include "blocks.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 4, WORTH_THREADS = 16 * SEGMENT };

typedef struct {
	const block_scan *wish;
	int fd;
	uint64_t size;
	known_file *known;
	size_t steady_blocks; // those before both ends of the file, the one that was and the one that is
	atomic_uint_fast64_t next;
	atomic_int error;
	pthread_mutex_t telling;
} work;

bool fit_known(const uint64_t *key, known_file *known, uint64_t size)
{
	static const uint64_t zeros[BLOCK_WORDS];
	size_t blocks = (size + BLOCK - 1) / BLOCK;
	digest *digests = realloc(known->digests, (blocks + !blocks) * sizeof *digests);
	if (!digests) return false;
	digest zero = digest_block(key, zeros);
	for (size_t i = known->blocks; i < blocks; i++) digests[i] = zero;
	known->blocks = blocks;
	known->digests = digests;
	return true;
}

// What is beyond the file's end is zeros, also where it has grown meanwhile: the other end has no more of it.
static bool read_blocks(const work *w, char *into, size_t size, uint64_t at)
{
	size_t have = 0, most = w->size - at < size ? w->size - at : size;
	while (have < most) {
		ssize_t n = pread(w->fd, into + have, most - have, (off_t)(at + have));
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) return false;
		if (n == 0) break;
		have += (size_t)n;
	}
	memset(into + have, 0, size - have);
	return true;
}

static bool tell(work *w, uint64_t at, const char *data, size_t length)
{
	if (!w->wish->changed || !length) return true;
	if (at + length > w->size) length = w->size - at;
	pthread_mutex_lock(&w->telling);
	bool ok = w->wish->changed(at, data, (uint32_t)length);
	pthread_mutex_unlock(&w->telling);
	return ok;
}

// Whole blocks; runs of neighbours that differ go together.
static bool compare_blocks(work *w, const char *data, uint64_t at, size_t size)
{
	size_t start = 0, run = 0;
	for (size_t i = 0; i < size; i += BLOCK) {
		digest now = digest_block(w->wish->key, (const uint64_t *)(data + i));
		digest *before = &w->known->digests[(at + i) / BLOCK];
		if (memcmp(&now, before, sizeof now)) {
			if (!run) start = i;
			run += BLOCK;
			*before = now;
			continue;
		}
		if (!tell(w, at + start, data + start, run)) return false;
		run = 0;
	}
	return tell(w, at + start, data + start, run);
}

static bool is_wanted(const work *w, size_t block)
{
	return block >= w->steady_blocks || is_stale(&w->wish->stale, block);
}

static size_t next_wanted(const work *w, size_t from, size_t to)
{
	size_t steady = w->steady_blocks < to ? w->steady_blocks : to;
	return from < steady ? next_stale(&w->wish->stale, from, steady) : from;
}

// Its runs of wanted blocks, each read for itself.
static bool scan_segment(work *w, char *data, size_t from, size_t to)
{
	for (size_t start = next_wanted(w, from, to), end; start < to; start = next_wanted(w, end, to)) {
		for (end = start + 1; end < to && is_wanted(w, end); end++) continue;
		uint64_t at = (uint64_t)start * BLOCK;
		size_t size = (end - start) * BLOCK;
		if (!read_blocks(w, data, size, at) || !compare_blocks(w, data, at, size)) return false;
	}
	return true;
}

static void *scan_segments(void *context)
{
	work *w = context;
	char *data = aligned_alloc(BLOCK, SEGMENT);
	if (!data) return atomic_store(&w->error, ENOMEM), NULL;
	while (!atomic_load(&w->error)) {
		size_t from = atomic_fetch_add(&w->next, SEGMENT / BLOCK), left = w->known->blocks - from;
		if (from >= w->known->blocks) break;
		if (!scan_segment(w, data, from, from + (left < SEGMENT / BLOCK ? left : SEGMENT / BLOCK))) atomic_store(&w->error, errno);
	}
	free(data);
	return NULL;
}

bool scan_blocks(const block_scan *scan, int fd, uint64_t size, known_file *known)
{
	if (!fit_known(scan->key, known, size)) return false;
	work w = {.wish = scan, .fd = fd, .size = size, .known = known, .telling = PTHREAD_MUTEX_INITIALIZER};
	w.steady_blocks = (size < known->size ? size : known->size) / BLOCK;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t threads[THREADS];
	int count = 0;
	// This thread is one of them; fewer than wished for are only slower.
	for (long i = 1; size >= WORTH_THREADS && i < processors && i < THREADS; i++)
		if (!pthread_create(&threads[count], NULL, scan_segments, &w)) count++;
	scan_segments(&w);
	for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
	known->size = size;
	errno = atomic_load(&w.error);
	return !errno;
}
