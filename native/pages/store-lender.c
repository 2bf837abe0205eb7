// The connection to the lender, which has the frozen source's memory: what is wanted goes out on a thread of its own, what comes is
// checked against what was asked for, and put in its place.
#include "store-input.h"
#include "store-serve.h"
#include "track-text.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// What nobody waits for yet is asked for up to here: a thread that waits comes behind it.
enum { AHEAD_BYTES = 512 << 10, SEND_SECONDS = 10, LOSS_TOLD_SECONDS = 1 };

struct lender {
	page_input in;
	store *store;
	server *server; // whom it was asked for, NULL: nobody yet; alive as long as the store knows this lender
	unsigned number;
	_Atomic bool over, told; // told: it has heard, or will, that nothing is wanted any more
	_Atomic uint64_t rate;
	_Atomic uint64_t outstanding; // bytes that were asked for and have not come
	int64_t ahead_from_us; // not earlier, to keep to the rate
	char contents[WANT_BYTES];
};

void lose_source(store *s, const char *format, ...)
{
	char why[256];
	va_list args;
	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	fail_store(s, "%s", why);
	sleep(LOSS_TOLD_SECONDS);
	die(s, "%s", why);
}

static server *server_of(store *s)
{
	pthread_mutex_lock(&s->lock);
	server *v = s->serving;
	pthread_mutex_unlock(&s->lock);
	return v;
}

// NULL: nothing is or will be wanted.
static server *await_server(lender *l)
{
	store *s = l->store;
	pthread_mutex_lock(&s->lock);
	while (!l->over && !s->serving && s->state != LOCAL) pthread_cond_wait(&s->changed, &s->lock);
	server *v = l->server = l->over ? NULL : s->serving;
	if (s->state == LOCAL) l->told = true;
	pthread_mutex_unlock(&s->lock);
	return v;
}

static void wait_until(pthread_cond_t *c, pthread_mutex_t *lock, int64_t in_us)
{
	struct timespec at;
	clock_gettime(CLOCK_REALTIME, &at);
	int64_t ns = at.tv_nsec + in_us % 1000000 * 1000;
	at.tv_sec += in_us / 1000000 + ns / 1000000000;
	at.tv_nsec = ns % 1000000000;
	pthread_cond_timedwait(c, lock, &at);
}

static void keep_to_rate(lender *l, uint64_t bytes)
{
	int64_t now = clock_us(), from = l->ahead_from_us > now ? l->ahead_from_us : now;
	uint64_t rate = l->rate;
	if (rate) l->ahead_from_us = from + (int64_t)(bytes * 1000000 / rate);
}

static bool send_want(lender *l, const want *w)
{
	message m = {PAGES_WANT, w->owner->pid, w->chunk->number * CHUNK_BYTES + w->first * PAGE, w->count * PAGE};
	return send_message(l->in.fd, &m);
}

// With the server's lock held, which it gives up to send or wait.
static bool ask_once(lender *l, server *v)
{
	want w;
	int64_t early_us = l->ahead_from_us - clock_us();
	bool ahead = (v->built || v->restored) && l->outstanding < AHEAD_BYTES && early_us <= 0;
	if (!next_want(v, ahead, &w)) {
		if (early_us > 0) wait_until(&v->asking, &v->lock, early_us);
		else pthread_cond_wait(&v->asking, &v->lock);
		return true;
	}
	l->outstanding += w.count * PAGE;
	keep_to_rate(l, w.count * PAGE);
	pthread_mutex_unlock(&v->lock);
	bool sent = send_want(l, &w);
	pthread_mutex_lock(&v->lock);
	return sent;
}

static void *ask(void *arg)
{
	lender *l = arg;
	server *v = await_server(l);
	if (v) pthread_mutex_lock(&v->lock);
	bool good = v;
	while (good && !l->over) good = ask_once(l, v);
	if (v) pthread_mutex_unlock(&v->lock);
	// The other thread ends by it.
	shutdown(l->in.fd, l->told ? SHUT_RD : SHUT_RDWR);
	return NULL;
}

static outcome put(lender *l, const message *m, const void *data)
{
	server *v = server_of(l->store);
	if (!v || !put_pages(v, m->owner, m->address, m->length, data))
		return broken(&l->in, "%llu bytes came at %llx of process %u that nobody asked for", (unsigned long long)m->length, (unsigned long long)m->address, m->owner);
	pthread_mutex_lock(&v->lock);
	l->outstanding -= m->length;
	pthread_cond_signal(&v->asking);
	pthread_mutex_unlock(&v->lock);
	return NEXT;
}

static outcome take_contents(lender *l, const message *m)
{
	uint64_t limit = m->type == PAGES_PACKED ? PACK_BYTES : WANT_BYTES;
	if (m->length > limit || !fits(m->address, m->length, ADDRESS_LIMIT)) return broken(&l->in, "%llu bytes at %llx are not pages that one can ask for", (unsigned long long)m->length, (unsigned long long)m->address);
	if (m->type == PAGES_ZERO) return put(l, m, NULL);
	if (m->type == PAGES_PACKED) {
		outcome how = take_block(&l->in, m);
		return how == NEXT ? put(l, m, l->in.unpacked) : how;
	}
	return take(&l->in, l->contents, m->length) == m->length ? put(l, m, l->contents) : cut_short(&l->in);
}

static outcome take_message(lender *l)
{
	message m;
	outcome how = take_header(&l->in, &m);
	if (how != NEXT) return how;
	switch (m.type) {
	case PAGES_LEND: l->rate = m.length; return NEXT;
	case PAGES_GONE:
		if (server_of(l->store)) lose_source(l->store, "the source's process %u has ended, and what it had of its memory", m.owner);
		return NEXT;
	case PAGES_DATA:
	case PAGES_ZERO:
	case PAGES_PACKED: return take_contents(l, &m);
	}
	return broken(&l->in, "unknown message %u", m.type);
}

static void end_asking(lender *l)
{
	store *s = l->store;
	pthread_mutex_lock(&s->lock);
	l->over = true;
	if (!l->told) shutdown(l->in.fd, SHUT_RDWR); // it may be sending to somebody who does not read
	pthread_cond_broadcast(&s->changed);
	if (l->server) {
		pthread_mutex_lock(&l->server->lock);
		pthread_cond_broadcast(&l->server->asking);
		pthread_mutex_unlock(&l->server->lock);
	}
	pthread_mutex_unlock(&s->lock);
}

void give_source_up(store *s)
{
	if (server_of(s) && s->later) lose_source(s, "%llu bytes are still at the source, whose node gives no sign of life", (unsigned long long)s->later * PAGE);
}

// Waits for the lender before, which is told to end.
static bool become_the_lender(lender *l)
{
	store *s = l->store;
	pthread_mutex_lock(&s->lock);
	if (l->number > s->newest_lender) s->newest_lender = l->number;
	while (s->lender && s->newest_lender == l->number) {
		shutdown(s->lender->in.fd, SHUT_RDWR);
		pthread_cond_wait(&s->changed, &s->lock);
	}
	bool mine = !s->lender && s->newest_lender == l->number;
	if (mine) s->lender = l;
	pthread_mutex_unlock(&s->lock);
	return mine;
}

static void leave(lender *l, outcome how)
{
	store *s = l->store;
	message over = {.type = PAGES_OVER};
	pthread_mutex_lock(&s->lock);
	if (l->server && !l->told) {
		pthread_mutex_lock(&l->server->lock);
		forget_asked(l->server);
		pthread_mutex_unlock(&l->server->lock);
		wake_hearer(l->server);
	}
	s->lender = NULL;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (l->told) send_message(l->in.fd, &over);
	else note(s, "the lender went: %s, %llu bytes are at the source", how == BROKEN ? l->in.why : "it ended the stream", (unsigned long long)s->later * PAGE);
}

void serve_lender(store *s, int fd, unsigned number)
{
	pthread_t asker;
	struct timeval limit = {.tv_sec = SEND_SECONDS};
	lender *l = calloc(1, sizeof *l);
	if (!l) return;
	l->store = s;
	l->number = number;
	l->in.fd = fd;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (!become_the_lender(l)) return free(l);
	note(s, "a lender has come");
	outcome how = ENDED;
	bool asks = pthread_create(&asker, NULL, ask, l) == 0;
	if (asks) do how = take_message(l);
		while (how == NEXT);
	end_asking(l);
	if (asks) pthread_join(asker, NULL);
	leave(l, how);
	free(l);
}

void dismiss_lender(store *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->lender) {
		s->lender->told = true;
		shutdown(s->lender->in.fd, SHUT_RD);
		pthread_cond_wait(&s->changed, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
}
