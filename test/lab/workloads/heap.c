// A heap of known contents: heap MB private|shared|memfd. Each page holds how often it was written, and what follows from its number.
// Lines on TCP port 7000, one answer each: `dirty N` writes N random pages a second (0 none, -1 as many as it can),
// `written` how many since the start, `verify` stands still and compares every page: `ok PAGES` or `BAD n`.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, WORDS = 512, SLICES = 200, UNTHROTTLED = 4096 };

static uint64_t *heap, pages;
static uint32_t *ledger; // how often each page was written
static volatile int64_t per_second;
static volatile uint64_t written;
static pthread_mutex_t still = PTHREAD_MUTEX_INITIALIZER;

static uint64_t word_of(uint64_t page, uint64_t index)
{
	uint64_t x = page * 0x9E3779B97F4A7C15ull + index * 0x94D049BB133111EBull;
	return x ^ (x >> 29);
}

static int holds(uint64_t page)
{
	const uint64_t *at = heap + page * WORDS;
	if (at[0] != ledger[page]) return 0;
	for (uint64_t i = 1; i < WORDS; i++)
		if (at[i] != word_of(page, i)) return 0;
	return 1;
}

static uint64_t bad_pages(void)
{
	uint64_t bad = 0;
	for (uint64_t page = 0; page < pages; page++) bad += !holds(page);
	return bad;
}

static void write_pages(uint64_t count, uint64_t *seed)
{
	pthread_mutex_lock(&still);
	for (uint64_t i = 0; i < count; i++) {
		*seed ^= *seed << 13;
		*seed ^= *seed >> 7;
		*seed ^= *seed << 17;
		uint64_t page = *seed % pages;
		heap[page * WORDS] = ++ledger[page];
	}
	written += count;
	pthread_mutex_unlock(&still);
}

// Slices that came too late are left out: after a freeze it goes on, it does not catch up.
static void *write_for_ever(void *context)
{
	uint64_t seed = 0x2545F4914F6CDD1Dull;
	for (;;) {
		int64_t wanted = per_second;
		if (wanted < 0) {
			write_pages(UNTHROTTLED, &seed);
			continue;
		}
		if (wanted > 0) write_pages((uint64_t)wanted / SLICES, &seed);
		usleep(1000000 / SLICES);
	}
	return context;
}

static void answer(FILE *out, const char *line)
{
	if (!strncmp(line, "dirty ", 6)) {
		per_second = strtoll(line + 6, NULL, 10);
		fprintf(out, "ok\n");
	} else if (!strncmp(line, "written", 7)) {
		fprintf(out, "%lu\n", (unsigned long)written);
	} else {
		pthread_mutex_lock(&still);
		uint64_t bad = bad_pages();
		pthread_mutex_unlock(&still);
		fprintf(out, bad ? "BAD %lu\n" : "ok %lu\n", (unsigned long)(bad ? bad : pages));
	}
	fflush(out);
}

static void *serve(void *connection)
{
	char line[64];
	int fd = (int)(intptr_t)connection;
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	while (in && out && fgets(line, sizeof line, in)) answer(out, line);
	if (in) fclose(in);
	if (out) fclose(out);
	return NULL;
}

static uint64_t *new_heap(const char *kind)
{
	int is_memfd = !strcmp(kind, "memfd"), fd = is_memfd ? memfd_create("heap", 0) : -1;
	int how = is_memfd ? MAP_SHARED : (!strcmp(kind, "shared") ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS;
	if (is_memfd && (fd < 0 || ftruncate(fd, (off_t)(pages * PAGE)))) abort();
	void *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, how, fd, 0);
	if (at == MAP_FAILED) abort();
	// Every page is one of its own, as in a heap that has been used for a while.
	madvise(at, pages * PAGE, MADV_NOHUGEPAGE);
	return at;
}

int main(int argc, char **argv)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(7000)};
	pthread_t thread;
	int on = 1;
	if (argc < 3) return 1;
	pages = strtoull(argv[1], NULL, 10) * 256;
	heap = new_heap(argv[2]);
	ledger = calloc(pages, sizeof *ledger);
	if (!ledger) abort();
	for (uint64_t page = 0; page < pages; page++)
		for (uint64_t i = 1; i < WORDS; i++) heap[page * WORDS + i] = word_of(page, i);
	pthread_create(&thread, NULL, write_for_ever, NULL);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 16)) abort();
	for (;;) {
		int client = accept(listener, NULL, NULL);
		if (client >= 0) pthread_create(&thread, NULL, serve, (void *)(intptr_t)client);
	}
}
