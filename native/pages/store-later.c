// Pages that stayed at the source: which of them is asked for next, and where they go when they come.
#include "files.h"
#include "store-serve.h"
#include "track-text.h"
#include "wire.h"
#include <stdlib.h>
#include <string.h>

// What a fault brings along from afar: a page alone takes as long.
enum { URGENT_PAGES = 16, AHEAD_PAGES = WANT_BYTES / PAGE };

static void *room_of_list(server *v, void *at, size_t *size, size_t count, size_t item)
{
	if (count < *size) return at;
	size_t larger = *size ? 2 * *size : 64;
	void *more = reallocarray(at, larger, item);
	if (!more) die(v->store, "no memory to note what is to come from the source");
	*size = larger;
	return more;
}

void want_page(server *v, const owner *o, chunk *c, size_t page)
{
	if (has_page(c->urgent, page) || has_page(c->asked, page)) return;
	if (v->urgent_first == v->urgent_count) v->urgent_first = v->urgent_count = 0;
	v->urgent = room_of_list(v, v->urgent, &v->urgent_size, v->urgent_count, sizeof *v->urgent);
	v->urgent[v->urgent_count++] = (want){o, c, page, 1};
	set_pages(c->urgent, page, 1);
	pthread_cond_signal(&v->asking);
}

// From FIRST on, one behind the other, at the source and not asked for.
static size_t open_run(const chunk *c, size_t first, size_t limit)
{
	size_t count = 0;
	while (count < limit && first + count < CHUNK_PAGES && has_page(c->later, first + count) && !has_page(c->asked, first + count)) count++;
	return count;
}

static bool next_urgent(server *v, want *w)
{
	while (v->urgent_first < v->urgent_count) {
		*w = v->urgent[v->urgent_first++];
		clear_pages(w->chunk->urgent, w->first, 1);
		w->count = open_run(w->chunk, w->first, URGENT_PAGES);
		if (w->count) return true;
	}
	return false;
}

static bool next_in_chunk(const owner *o, chunk *c, want *w)
{
	for (size_t first = 0; first < CHUNK_PAGES; first++) {
		size_t count = open_run(c, first, AHEAD_PAGES);
		if (count) return *w = (want){o, c, first, count}, true;
	}
	return false;
}

static bool next_ahead(server *v, want *w)
{
	const memory *m = &v->store->memory;
	for (; v->ahead_owner < m->owner_count; v->ahead_owner++, v->ahead_place = 0) {
		const owner *o = m->owners[v->ahead_owner];
		for (; v->ahead_place < o->sorted_count; v->ahead_place++)
			if (next_in_chunk(o, o->sorted[v->ahead_place], w)) return true;
	}
	return false;
}

bool next_want(server *v, bool ahead, want *w)
{
	bool some = next_urgent(v, w) || (ahead && next_ahead(v, w));
	if (some) set_pages(w->chunk->asked, w->first, w->count);
	return some;
}

void forget_asked(server *v)
{
	const memory *m = &v->store->memory;
	for (size_t i = 0; i < m->owner_count; i++)
		for (size_t k = 0; k < m->owners[i]->sorted_count; k++) clear_pages(m->owners[i]->sorted[k]->asked, 0, CHUNK_PAGES);
	v->ahead_owner = v->ahead_place = 0;
}

static void note_whole(server *v, const owner *o, const chunk *c)
{
	for (size_t i = 0; i < v->task_count; i++) {
		task *t = v->tasks[i];
		if (t->owner != o || t->progress[c->place] != TO_COPY) continue;
		v->whole = room_of_list(v, v->whole, &v->whole_size, v->whole_count, sizeof *v->whole);
		v->whole[v->whole_count++] = (piece_of_work){t, c->place};
	}
	pthread_cond_broadcast(&v->work);
}

task *take_whole(server *v, size_t *place)
{
	while (v->whole_count) {
		piece_of_work w = v->whole[--v->whole_count];
		if (w.task->progress[w.place] != TO_COPY) continue; // it was met in turn
		w.task->progress[w.place] = IN_WORK;
		return *place = w.place, w.task;
	}
	return NULL;
}

// find_owner remembers whom it found, for one thread alone.
static owner *owner_named(const memory *m, uint32_t pid)
{
	for (size_t i = 0; i < m->owner_count; i++)
		if (m->owners[i]->pid == pid) return m->owners[i];
	return NULL;
}

static void put_into(server *v, owner *o, chunk *c, uint64_t address, uint64_t length, const void *data)
{
	size_t first = address % CHUNK_BYTES / PAGE;
	char *room = room_for(&v->store->memory, o, address, &length);
	if (!room) die(v->store, "no memory for page %llx of process %u", (unsigned long long)address, o->pid);
	if (data) memcpy(room, data, length);
	else memset(room, 0, length);
	mark_held(o, address, length);
	clear_pages(c->asked, first, length / PAGE);
	atomic_fetch_sub(&v->store->later, length / PAGE);
	atomic_fetch_add(&v->store->bytes, length);
	if (!count_pages(c->later, CHUNK_WORDS)) note_whole(v, o, c);
}

bool put_pages(server *v, uint32_t pid, uint64_t address, uint64_t length, const void *data)
{
	size_t first = address % CHUNK_BYTES / PAGE, count = length / PAGE;
	owner *o = owner_named(&v->store->memory, pid);
	chunk *c = o ? find_chunk(o, address / CHUNK_BYTES) : NULL;
	if (!c || first + count > CHUNK_PAGES) return false;
	pthread_mutex_lock(&v->lock);
	bool ok = count_set(c->asked, first, count) == count && count_set(c->later, first, count) == count;
	if (ok) put_into(v, o, c, address, length, data);
	pthread_mutex_unlock(&v->lock);
	if (!ok) return false;
	atomic_store(&v->came_us, clock_us());
	wake_hearer(v);
	return true;
}

void watch_source(server *v)
{
	int64_t since = v->came_us;
	if (!since || !v->store->later) return;
	long seconds = atol(env_or("PODMOTION_SOURCE_SECONDS", "180"));
	if (clock_us() - since > (int64_t)seconds * 1000000)
		lose_source(v->store, "%llu bytes are still at the source, which has given nothing for %ld s", (unsigned long long)v->store->later * PAGE, seconds);
}
