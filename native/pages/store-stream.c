// Receives the wire: every length, owner and address is checked before it is used.
#include "store.h"
#include "store-input.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// One message may bring this much; a map of populated ranges is kept in memory as a whole.
#define DATA_LIMIT (1ull << 30)
#define ZERO_LIMIT (1ull << 41)
#define MAP_LIMIT (64ull << 20)
typedef struct {
	page_input in;
	store *store;
} stream;

static bool is_segment(const message *m)
{
	return m->owner & SEGMENT_OWNER;
}

static segment *segment_of(stream *in, const message *m)
{
	return find_segment(&in->store->segments, m->owner & ~SEGMENT_OWNER);
}

// The process, made known by its first page; NULL with a reason.
static owner *owner_of(stream *in, const message *m)
{
	owner *o = m->owner ? find_owner(&in->store->memory, m->owner, true) : NULL;
	if (!o) broken(&in->in, "process %u cannot be kept: 1 to %u processes are possible", m->owner, OWNER_LIMIT);
	return o;
}

static outcome misplaced(stream *in, const message *m)
{
	return broken(&in->in, "%llu bytes at %llx of owner %x are not whole pages inside it, or the owner is unknown", (unsigned long long)m->length,
		      (unsigned long long)m->address, m->owner);
}

static outcome take_segment_data(stream *in, const message *m)
{
	segment *s = segment_of(in, m);
	if (!s || !fits(m->address, m->length, s->size)) return misplaced(in, m);
	if (take(&in->in, s->data + m->address, m->length) != m->length) return cut_short(&in->in);
	set_pages(s->held, m->address / PAGE, m->length / PAGE);
	return NEXT;
}

static outcome take_data(stream *in, const message *m)
{
	store *s = in->store;
	if (m->length > DATA_LIMIT || !fits(m->address, m->length, ADDRESS_LIMIT)) return misplaced(in, m);
	atomic_fetch_add(&s->bytes, m->length);
	if (is_segment(m)) return take_segment_data(in, m);
	owner *o = owner_of(in, m);
	if (!o) return BROKEN;
	for (uint64_t at = m->address, left = m->length, part; left; at += part, left -= part) {
		part = left;
		char *room = room_for(&s->memory, o, at, &part);
		if (!room) return broken(&in->in, "no room for page %llx of process %u", (unsigned long long)at, m->owner);
		if (take(&in->in, room, part) != part) return cut_short(&in->in);
		mark_held(o, at, part);
	}
	return NEXT;
}

static void put_segment_data(segment *s, const message *m, const char *data)
{
	memcpy(s->data + m->address, data, m->length);
	set_pages(s->held, m->address / PAGE, m->length / PAGE);
}

static outcome put_data(stream *in, const message *m, const char *data)
{
	owner *o = owner_of(in, m);
	if (!o) return BROKEN;
	for (uint64_t at = 0, part; at < m->length; at += part) {
		part = m->length - at;
		char *room = room_for(&in->store->memory, o, m->address + at, &part);
		if (!room) return broken(&in->in, "no room for page %llx of process %u", (unsigned long long)(m->address + at), m->owner);
		memcpy(room, data + at, part);
		mark_held(o, m->address + at, part);
	}
	return NEXT;
}

static outcome take_packed(stream *in, const message *m)
{
	segment *s = segment_of(in, m);
	if (m->length > PACK_BYTES || !fits(m->address, m->length, is_segment(m) ? s ? s->size : 0 : ADDRESS_LIMIT)) return misplaced(in, m);
	outcome how = take_block(&in->in, m);
	if (how != NEXT) return how;
	atomic_fetch_add(&in->store->bytes, m->length);
	if (!is_segment(m)) return put_data(in, m, in->in.unpacked);
	put_segment_data(s, m, in->in.unpacked);
	return NEXT;
}

static outcome take_zero(stream *in, const message *m)
{
	segment *s = segment_of(in, m);
	if (is_segment(m)) {
		if (!s || !fits(m->address, m->length, s->size)) return misplaced(in, m);
		if (!zero_segment(s, m->address, m->length)) return broken(&in->in, "emptying a part of segment %u: %s", m->owner & ~SEGMENT_OWNER, strerror(errno));
		return NEXT;
	}
	if (m->length > ZERO_LIMIT || !fits(m->address, m->length, ADDRESS_LIMIT)) return misplaced(in, m);
	owner *o = owner_of(in, m);
	if (!o) return BROKEN;
	if (!mark_zero(&in->store->memory, o, m->address, m->length)) return broken(&in->in, "no room for page %llx of process %u", (unsigned long long)m->address, m->owner);
	return NEXT;
}

static outcome take_ranges(stream *in, const message *m, range_list *list, uint64_t limit)
{
	page_range *ranges = malloc(m->length + 1);
	if (!ranges) return broken(&in->in, "no memory for a map of %llu bytes", (unsigned long long)m->length);
	bool whole = take(&in->in, ranges, m->length) == m->length;
	size_t before = list->count, added = whole ? m->length / sizeof *ranges : 0;
	bool good = add_ranges(list, ranges, added, limit);
	page_range bad = good ? (page_range){0} : ranges[list->count - before];
	free(ranges);
	if (!whole) return cut_short(&in->in);
	if (good) return NEXT;
	return broken(&in->in, "%llx-%llx in the map of owner %x is no whole pages behind the range before, below %llx (or no memory is left)", (unsigned long long)bad.start,
		      (unsigned long long)bad.end, m->owner, (unsigned long long)limit);
}

static outcome take_map(stream *in, const message *m)
{
	if (m->length % sizeof(page_range) || m->length > MAP_LIMIT) return broken(&in->in, "a map of %llu bytes", (unsigned long long)m->length);
	if (m->type == PAGES_SEGMENT_MAP) {
		segment *s = is_segment(m) ? segment_of(in, m) : NULL;
		return s ? take_ranges(in, m, &s->populated, s->size) : misplaced(in, m);
	}
	owner *o = is_segment(m) ? NULL : owner_of(in, m);
	return o ? take_ranges(in, m, &o->populated, ADDRESS_LIMIT) : misplaced(in, m);
}

static outcome take_later(stream *in, const message *m)
{
	range_list list = {0};
	owner *o = is_segment(m) ? NULL : owner_of(in, m);
	if (!o || m->length % sizeof(page_range) || m->length > MAP_LIMIT) return misplaced(in, m);
	outcome how = take_ranges(in, m, &list, ADDRESS_LIMIT);
	if (how == NEXT && !leave_ranges(&in->store->memory, o, &list)) how = broken(&in->in, "no room for what process %u has left at the source", m->owner);
	free(list.at);
	return how;
}

static outcome take_segment(stream *in, const message *m)
{
	char name[SEGMENT_NAME];
	uint32_t index = m->owner & ~SEGMENT_OWNER;
	if (take(&in->in, name, sizeof name) != sizeof name) return cut_short(&in->in);
	if (!is_segment(m) || !memchr(name, 0, sizeof name)) return broken(&in->in, "segment %x without a valid name", m->owner);
	if (begin_segment(&in->store->segments, index, m->address, m->length, name)) return NEXT;
	return broken(&in->in, "making segment %u of %llu bytes: %s", index, (unsigned long long)m->length, strerror(errno));
}

static outcome take_gone(stream *in, const message *m)
{
	segment *s = segment_of(in, m);
	if (!is_segment(m)) drop_owner(&in->store->memory, m->owner);
	else if (s) drop_segment(s);
	return NEXT;
}

static outcome answer(stream *in, const message *m)
{
	return send_message(in->in.fd, m) ? NEXT : broken(&in->in, "answering the tracker: %s", strerror(errno));
}

static outcome take_final(stream *in, message *m)
{
	store *s = in->store;
	uint64_t missing = settle_memory(&s->memory) + settle_segments(&s->segments);
	atomic_store(&s->missing, missing);
	atomic_store(&s->later, count_later(&s->memory));
	note(s, "final: %llu bytes in %zu chunks and %zu segments, %llu pages missing, %llu at the source", (unsigned long long)s->bytes, s->memory.chunk_count,
	     s->segments.count, (unsigned long long)missing, (unsigned long long)s->later);
	set_state(s, COMPLETE);
	m->address = missing;
	return answer(in, m);
}

static outcome take_message(stream *in, message *m)
{
	switch (m->type) {
	case PAGES_DATA: return take_data(in, m);
	case PAGES_PACKED: return take_packed(in, m);
	case PAGES_ZERO: return take_zero(in, m);
	case PAGES_POPULATED:
	case PAGES_SEGMENT_MAP: return take_map(in, m);
	case PAGES_LATER: return take_later(in, m);
	case PAGES_SEGMENT: return take_segment(in, m);
	case PAGES_GONE: return take_gone(in, m);
	case PAGES_SYNC: return answer(in, m);
	case PAGES_FINAL: return take_final(in, m);
	}
	return broken(&in->in, "unknown message %u", m->type);
}

static void clear_maps(store *s)
{
	for (size_t i = 0; i < s->memory.owner_count; i++) clear_ranges(&s->memory.owners[i]->populated);
	for (size_t i = 0; i < s->segments.count; i++) clear_ranges(&s->segments.at[i].populated);
}

// A tracker may go on after its final set (the freeze was given up), but not once a restore relies on what is here.
static bool may_go_on(store *s)
{
	pthread_mutex_lock(&s->lock);
	bool again = s->state == COMPLETE, ok = again || s->state == RECEIVING;
	if (again) s->state = RECEIVING;
	pthread_mutex_unlock(&s->lock);
	if (again) clear_maps(s);
	return ok;
}

static outcome next_message(stream *in)
{
	message m;
	outcome how = take_header(&in->in, &m);
	if (how != NEXT) return how;
	if (!may_go_on(in->store)) return broken(&in->in, "a message came after the restore was made ready");
	return take_message(in, &m);
}

// Waits for the sender before, which is told to end. False: what is here belongs to a restore.
static bool become_the_stream(store *s, int fd, unsigned number)
{
	pthread_mutex_lock(&s->lock);
	if (number > s->newest) s->newest = number;
	while (s->stream >= 0 && !s->begun && s->newest == number) {
		shutdown(s->stream, SHUT_RDWR);
		pthread_cond_wait(&s->changed, &s->lock);
	}
	bool mine = !s->begun && s->stream < 0 && s->newest == number;
	if (mine) {
		s->stream = fd;
		s->state = RECEIVING;
		s->reason[0] = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return mine;
}

static void end_stream(store *s, outcome how, const char *why)
{
	pthread_mutex_lock(&s->lock);
	bool unfinished = s->state == RECEIVING;
	pthread_mutex_unlock(&s->lock);
	if (how == BROKEN && !unfinished) note(s, "the stream: %s", why);
	if (how == BROKEN && unfinished) fail_store(s, "receiving memory: %s", why);
	if (how == ENDED && unfinished) fail_store(s, "receiving memory: the stream ended before its final set");
	pthread_mutex_lock(&s->lock);
	s->stream = -1;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void receive_stream(store *s, int fd, unsigned number)
{
	stream *in = malloc(sizeof *in);
	if (!in || !become_the_stream(s, fd, number)) return free(in);
	*in = (stream){.store = s, .in.fd = fd};
	drop_memory(&s->memory);
	drop_segments(&s->segments);
	atomic_store(&s->bytes, 0);
	atomic_store(&s->missing, 0);
	atomic_store(&s->later, 0);
	outcome how;
	do how = next_message(in);
	while (how == NEXT);
	end_stream(s, how, in->in.why);
	free(in);
}
