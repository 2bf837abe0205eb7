// The private memory of the processes that come: pages in chunks, and which of them are here.
#include "store-memory.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static owner *make_owner(memory *m, uint32_t pid)
{
	if (m->owner_count >= OWNER_LIMIT) return NULL;
	owner **more = realloc(m->owners, (m->owner_count + 1) * sizeof *more);
	if (!more) return NULL;
	m->owners = more;
	owner *o = calloc(1, sizeof *o);
	if (!o) return NULL;
	o->pid = pid;
	return m->owners[m->owner_count++] = o;
}

owner *find_owner(memory *m, uint32_t pid, bool make)
{
	if (m->last && m->last->pid == pid) return m->last;
	for (size_t i = 0; i < m->owner_count; i++)
		if (m->owners[i]->pid == pid) return m->last = m->owners[i];
	owner *o = make ? make_owner(m, pid) : NULL;
	return o ? m->last = o : NULL;
}

// Given back to the kernel, and the mapping with it: neighbours are one mapping for it, and splitting them all
// would run into vm.max_map_count. Only the contents go; the addresses stay until the end.
void free_chunk_data(chunk *c)
{
	if (c->data) madvise(c->data, CHUNK_BYTES, MADV_DONTNEED);
}

static void free_owner(memory *m, owner *o)
{
	for (size_t i = 0; i < o->table_size; i++)
		for (chunk *c = o->table[i], *next; c; c = next) {
			next = c->next;
			if (c->data) munmap(c->data, CHUNK_BYTES);
			free(c);
		}
	m->chunk_count -= o->chunk_count;
	free(o->table);
	free(o->sorted);
	free(o->populated.at);
	free(o);
}

void drop_owner(memory *m, uint32_t pid)
{
	for (size_t i = 0; i < m->owner_count; i++) {
		if (m->owners[i]->pid != pid) continue;
		free_owner(m, m->owners[i]);
		m->owners[i] = m->owners[--m->owner_count];
		m->last = NULL;
		return;
	}
}

void drop_memory(memory *m)
{
	for (size_t i = 0; i < m->owner_count; i++) free_owner(m, m->owners[i]);
	free(m->owners);
	*m = (memory){0};
}

static size_t place_in(const owner *o, uint64_t number)
{
	return (size_t)((number * 0x9E3779B97F4A7C15ull) >> 20) & (o->table_size - 1);
}

chunk *find_chunk(const owner *o, uint64_t number)
{
	if (!o->table_size) return NULL;
	for (chunk *c = o->table[place_in(o, number)]; c; c = c->next)
		if (c->number == number) return c;
	return NULL;
}

static bool grow_table(owner *o)
{
	owner bigger = {.table_size = o->table_size ? 2 * o->table_size : 64};
	bigger.table = calloc(bigger.table_size, sizeof *bigger.table);
	if (!bigger.table) return false;
	for (size_t i = 0; i < o->table_size; i++)
		for (chunk *c = o->table[i], *next; c; c = next) {
			next = c->next;
			chunk **head = &bigger.table[place_in(&bigger, c->number)];
			c->next = *head;
			*head = c;
		}
	free(o->table);
	o->table = bigger.table;
	o->table_size = bigger.table_size;
	return true;
}

static chunk *make_chunk(memory *m, owner *o, uint64_t number)
{
	if (m->chunk_count >= CHUNK_LIMIT) return NULL;
	if (o->chunk_count >= o->table_size && !grow_table(o)) return NULL;
	chunk *c = calloc(1, sizeof *c);
	if (!c) return NULL;
	c->number = number;
	chunk **head = &o->table[place_in(o, number)];
	c->next = *head;
	*head = c;
	o->chunk_count++;
	m->chunk_count++;
	return c;
}

static chunk *get_chunk(memory *m, owner *o, uint64_t number)
{
	chunk *c = find_chunk(o, number);
	return c ? c : make_chunk(m, o, number);
}

// How much of LENGTH bytes at ADDRESS lies in one chunk.
static uint64_t in_chunk(uint64_t address, uint64_t length)
{
	uint64_t left = CHUNK_BYTES - address % CHUNK_BYTES;
	return length < left ? length : left;
}

char *room_for(memory *m, owner *o, uint64_t address, uint64_t *length)
{
	chunk *c = get_chunk(m, o, address / CHUNK_BYTES);
	if (!c) return NULL;
	if (!c->data) {
		void *data = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (data == MAP_FAILED) return NULL;
		c->data = data;
	}
	*length = in_chunk(address, *length);
	return c->data + address % CHUNK_BYTES;
}

void mark_held(owner *o, uint64_t address, uint64_t length)
{
	chunk *c = find_chunk(o, address / CHUNK_BYTES);
	size_t first = address % CHUNK_BYTES / PAGE;
	set_pages(c->held, first, length / PAGE);
	clear_pages(c->zero, first, length / PAGE);
	clear_pages(c->later, first, length / PAGE);
}

bool mark_zero(memory *m, owner *o, uint64_t address, uint64_t length)
{
	for (uint64_t part; length; address += part, length -= part) {
		part = in_chunk(address, length);
		chunk *c = get_chunk(m, o, address / CHUNK_BYTES);
		if (!c) return false;
		size_t first = address % CHUNK_BYTES / PAGE;
		set_pages(c->zero, first, part / PAGE);
		clear_pages(c->held, first, part / PAGE);
		clear_pages(c->later, first, part / PAGE);
	}
	return true;
}

static bool mark_later(memory *m, owner *o, page_range r)
{
	for (uint64_t at = r.start, part; at < r.end; at += part) {
		part = in_chunk(at, r.end - at);
		chunk *c = get_chunk(m, o, at / CHUNK_BYTES);
		if (!c) return false;
		size_t first = at % CHUNK_BYTES / PAGE;
		set_pages(c->later, first, part / PAGE);
		clear_pages(c->held, first, part / PAGE);
		clear_pages(c->zero, first, part / PAGE);
	}
	return true;
}

bool leave_ranges(memory *m, owner *o, const range_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (!mark_later(m, o, list->at[i])) return false;
	return true;
}

static bool is_behind(const range_list *list, const page_range *r, uint64_t limit)
{
	uint64_t end = list->count ? list->at[list->count - 1].end : 0;
	return r->start % PAGE == 0 && r->end % PAGE == 0 && r->start >= end && r->start < r->end && r->end <= limit;
}

bool add_ranges(range_list *list, const page_range *ranges, size_t count, uint64_t limit)
{
	list->came = true;
	if (list->count + count > list->size) {
		size_t size = 2 * (list->count + count);
		page_range *more = realloc(list->at, size * sizeof *more);
		if (!more) return false;
		list->at = more;
		list->size = size;
	}
	for (size_t i = 0; i < count; i++) {
		if (!is_behind(list, &ranges[i], limit)) return false;
		list->at[list->count++] = ranges[i];
	}
	return true;
}

void clear_ranges(range_list *list)
{
	list->count = 0;
	list->came = false;
}

// Notes the range in its chunks; how many of its pages have no chunk at all.
static uint64_t want_range(owner *o, page_range r)
{
	uint64_t missing = 0;
	for (uint64_t at = r.start, part; at < r.end; at += part) {
		part = in_chunk(at, r.end - at);
		chunk *c = find_chunk(o, at / CHUNK_BYTES);
		if (!c) {
			missing += part / PAGE;
			continue;
		}
		set_pages(c->wanted, at % CHUNK_BYTES / PAGE, part / PAGE);
	}
	return missing;
}

static uint64_t keep_wanted(chunk *c)
{
	uint64_t missing = 0;
	for (size_t i = 0; i < CHUNK_WORDS; i++) {
		missing += (uint64_t)__builtin_popcountll(c->wanted[i] & ~(c->held[i] | c->zero[i] | c->later[i]));
		c->held[i] &= c->wanted[i];
		c->zero[i] &= c->wanted[i];
		c->later[i] &= c->wanted[i];
		c->wanted[i] = 0;
	}
	if (!count_pages(c->held, CHUNK_WORDS)) free_chunk_data(c);
	return missing;
}

uint64_t settle_memory(memory *m)
{
	uint64_t missing = 0;
	for (size_t i = 0; i < m->owner_count; i++) {
		owner *o = m->owners[i];
		for (size_t k = 0; k < o->populated.count; k++) missing += want_range(o, o->populated.at[k]);
		for (size_t k = 0; k < o->table_size; k++)
			for (chunk *c = o->table[k]; c; c = c->next) missing += keep_wanted(c);
	}
	return missing;
}

size_t kept_pages(const chunk *c)
{
	return count_pages(c->held, CHUNK_WORDS) + count_pages(c->later, CHUNK_WORDS);
}

uint64_t count_later(const memory *m)
{
	uint64_t count = 0;
	for (size_t i = 0; i < m->owner_count; i++)
		for (size_t k = 0; k < m->owners[i]->table_size; k++)
			for (const chunk *c = m->owners[i]->table[k]; c; c = c->next) count += count_pages(c->later, CHUNK_WORDS);
	return count;
}

static int compare_chunks(const void *a, const void *b)
{
	const chunk *x = *(chunk *const *)a, *y = *(chunk *const *)b;
	return x->number < y->number ? -1 : x->number > y->number;
}

static bool sort_owner(owner *o)
{
	free(o->sorted);
	o->sorted_count = 0;
	o->sorted = calloc(o->chunk_count + 1, sizeof *o->sorted);
	if (!o->sorted) return false;
	for (size_t k = 0; k < o->table_size; k++)
		for (chunk *c = o->table[k]; c; c = c->next)
			if (kept_pages(c)) o->sorted[o->sorted_count++] = c;
	qsort(o->sorted, o->sorted_count, sizeof *o->sorted, compare_chunks);
	for (size_t i = 0; i < o->sorted_count; i++) o->sorted[i]->place = i;
	return true;
}

bool sort_memory(memory *m)
{
	for (size_t i = 0; i < m->owner_count; i++)
		if (!sort_owner(m->owners[i])) return false;
	return true;
}
