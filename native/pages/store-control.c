// The control socket: the first line of a connection says what it wants.
#include "store.h"
#include "json.h"
#include "store-handout.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// A connection that does not say what it wants is not kept.
enum { FIRST_LINE_SECONDS = 10, WORD_SIZE = 16 };

// Byte by byte: behind the line of a sender its stream begins.
static bool read_word(int fd, char word[WORD_SIZE])
{
	struct timeval limit = {.tv_sec = FIRST_LINE_SECONDS}, none = {0};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	for (size_t n = 0; n < WORD_SIZE; n++) {
		if (recv(fd, word + n, 1, 0) != 1) return false;
		if (word[n] != '\n') continue;
		word[n] = 0;
		return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none) == 0;
	}
	return false;
}

static void say_line(int fd, const char *line)
{
	size_t length = strlen(line);
	while (length) {
		ssize_t n = send(fd, line, length, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) return;
		line += n;
		length -= (size_t)n;
	}
}

static void say_status(store *s, int fd)
{
	char *line = NULL;
	size_t size;
	FILE *out = open_memstream(&line, &size);
	if (!out) return;
	pthread_mutex_lock(&s->lock);
	// READY is COMPLETE to everybody outside: nothing has been asked for yet.
	fprintf(out, "{\"state\":\"%s\",\"bytes\":%llu,\"chunks\":%zu,\"missing\":%llu,\"lazyBytesLeft\":%llu,\"sourceBytesLeft\":%llu,\"faults\":%llu,\"reason\":", state_name(s->state),
		(unsigned long long)s->bytes, s->memory.chunk_count, (unsigned long long)s->missing, (unsigned long long)s->left_pages * PAGE,
		(unsigned long long)s->later * PAGE, (unsigned long long)s->faults);
	json_put(out, s->reason);
	pthread_mutex_unlock(&s->lock);
	fputs("}\n", out);
	if (fclose(out) == 0) say_line(fd, line);
	free(line);
}

static bool has_gone(int fd)
{
	struct pollfd p = {fd, 0, 0};
	return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
}

static void wait_for_end(store *s, int fd)
{
	pthread_mutex_lock(&s->lock);
	while (s->state != LOCAL && s->state != FAILED && !has_gone(fd)) {
		struct timespec soon;
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_sec++;
		pthread_cond_timedwait(&s->changed, &s->lock, &soon);
	}
	pthread_mutex_unlock(&s->lock);
	say_status(s, fd);
}

// From here on what is here belongs to this restore. True also when it was made ready before.
static bool begin_restore(store *s, char *why, size_t size)
{
	pthread_mutex_lock(&s->lock);
	bool again = s->state == READY, ok = s->state == COMPLETE && !s->missing;
	if (!again && !ok) snprintf(why, size, "the store is %s, %llu pages are missing %s", state_name(s->state), (unsigned long long)s->missing, s->reason);
	if (ok) s->begun = true;
	if (ok) s->state = READY;
	pthread_mutex_unlock(&s->lock);
	if (!ok) return again;
	// Segments stay mapped here: nobody writes to them any more, and taking 4 GB off the page tables took 140 ms of the freeze.
	if (!prepare_images(s, why, size)) return fail_store(s, "%s", why), false;
	await_restore(s);
	return true;
}

static void make_ready(store *s, int fd)
{
	static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
	char why[700] = "", line[800];
	pthread_mutex_lock(&one_at_a_time);
	bool ok = begin_restore(s, why, sizeof why);
	pthread_mutex_unlock(&one_at_a_time);
	snprintf(line, sizeof line, ok ? "ready\n" : "failed %s\n", why);
	say_line(fd, line);
}

void serve_control(store *s, int fd, unsigned number)
{
	char word[WORD_SIZE];
	if (!read_word(fd, word)) return (void)close(fd);
	if (!strcmp(word, "stream")) receive_stream(s, fd, number);
	else if (!strcmp(word, "lend")) serve_lender(s, fd, number);
	else if (!strcmp(word, "status")) say_status(s, fd);
	else if (!strcmp(word, "wait")) wait_for_end(s, fd);
	else if (!strcmp(word, "ready")) make_ready(s, fd);
	else if (!strcmp(word, "fill")) fill_ahead(s), say_line(fd, "filling\n");
	else if (!strcmp(word, "lost")) give_source_up(s), say_status(s, fd);
	else if (!strcmp(word, "segments")) hand_out_segments(s, fd);
	else if (!strcmp(word, "quit")) end_store(s);
	else say_line(fd, "failed unknown order\n");
	close(fd);
}
