// Pages of private mappings of files. No userfaultfd serves those, so they go into images: as a parent of criu's own, which is how its
// incremental dumps look (a folder "parent" with a pagemap and a pages file), and an entry "in the parent" for each in criu's pagemap.
// criu reads a chain of parents whatever kernel it runs on.
#include "store-eager.h"
#include "store-images.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// criu's images/pagemap.proto, vma.proto; flags of include/pagemap.h and image.h.
enum { HEAD_ID = 1, ENTRY_ADDRESS = 1, ENTRY_COUNT_32 = 2, ENTRY_FLAGS = 4, ENTRY_COUNT = 5, MM_VMAS = 14, VMA_START = 1, VMA_END = 2, VMA_STATUS = 7 };
enum { PE_PARENT = 1, PE_PRESENT = 4, STATUS_FILE_PRIVATE = 1 << 6 };

typedef struct {
	const char *images;
	owner *o;
	int pages;       // the parent's pages file, -1: none yet
	range_list runs; // what stands in it, in order
} parent;

bool is_eager(bytes vma)
{
	uint64_t status = 0;
	return find_number(vma, VMA_STATUS, &status) && (status & STATUS_FILE_PRIVATE);
}

static chunk *chunk_at(const owner *o, uint64_t address)
{
	return find_chunk(o, address / CHUNK_BYTES);
}

static uint64_t end_of_chunk(uint64_t address, uint64_t end)
{
	uint64_t top = (address / CHUNK_BYTES + 1) * CHUNK_BYTES;
	return top < end ? top : end;
}

size_t pages_between(const owner *o, uint64_t start, uint64_t end, bool later)
{
	size_t count = 0;
	for (uint64_t at = start, top; at < end; at = top) {
		top = end_of_chunk(at, end);
		chunk *c = chunk_at(o, at);
		size_t first = at % CHUNK_BYTES / PAGE, length = (top - at) / PAGE;
		if (c) count += count_set(c->held, first, length) + (later ? count_set(c->later, first, length) : 0);
	}
	return count;
}

static bool open_pages(parent *p)
{
	char path[PATH_SIZE];
	if (p->pages >= 0) return true;
	if (!make_path(path, "%s/parent", p->images) || (mkdir(path, 0700) && errno != EEXIST)) return false;
	if (!make_path(path, "%s/parent/pages-%u.img", p->images, p->o->pid)) return false;
	p->pages = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return p->pages >= 0;
}

static bool add_run(parent *p, uint64_t start, uint64_t end)
{
	page_range *last = p->runs.count ? &p->runs.at[p->runs.count - 1] : NULL;
	if (last && last->end == start) return last->end = end, true;
	return add_ranges(&p->runs, &(page_range){start, end}, 1, ADDRESS_LIMIT) || (errno = ENOMEM, false);
}

// How many pages from FIRST on are in the set, one behind the other.
static size_t length_of_run(const uint64_t *set, size_t first, size_t end)
{
	size_t page = first;
	while (page < end && has_page(set, page)) page++;
	return page - first;
}

// Pages that are all zero count as much as any others: without them the process would see the file's contents.
static bool write_run(parent *p, const chunk *c, size_t first, size_t count, bool zero)
{
	static char nothing[CHUNK_BYTES]; // never written to: no part of the program file
	uint64_t start = c->number * CHUNK_BYTES + first * PAGE;
	return open_pages(p) && add_run(p, start, start + count * PAGE) && write_all(p->pages, zero ? nothing : c->data + first * PAGE, count * PAGE);
}

static bool write_chunk(parent *p, chunk *c, size_t first, size_t end)
{
	for (size_t page = first, count; page < end; page += count) {
		bool held = has_page(c->held, page), zero = !held && has_page(c->zero, page);
		count = held || zero ? length_of_run(held ? c->held : c->zero, page, end) : 1;
		if ((held || zero) && !write_run(p, c, page, count, zero)) return false;
	}
	clear_pages(c->held, first, end - first);
	clear_pages(c->zero, first, end - first);
	if (!count_pages(c->held, CHUNK_WORDS)) free_chunk_data(c);
	return true;
}

static bool write_mapping(parent *p, uint64_t start, uint64_t end)
{
	for (uint64_t at = start, top; at < end; at = top) {
		top = end_of_chunk(at, end);
		chunk *c = chunk_at(p->o, at);
		size_t first = at % CHUNK_BYTES / PAGE;
		if (c && !write_chunk(p, c, first, first + (top - at) / PAGE)) return false;
	}
	return true;
}

static bool write_mappings(parent *p, bytes mm)
{
	for (const uint8_t *at = mm.at, *end = at + mm.length; at < end;) {
		field f;
		uint64_t from = 0, to = 0;
		if (!read_field(&at, end, &f)) return errno = EBADMSG, false;
		if (f.number != MM_VMAS || f.type != 2 || !is_eager(f.content)) continue;
		if (!find_number(f.content, VMA_START, &from) || !find_number(f.content, VMA_END, &to) || to > ADDRESS_LIMIT) return errno = EBADMSG, false;
		if (!write_mapping(p, from, to)) return false;
	}
	return true;
}

static void put_message(buffer *out, const buffer *message)
{
	uint32_t length = (uint32_t)message->length;
	put_raw(out, (bytes){(const uint8_t *)&length, sizeof length});
	put_raw(out, (bytes){message->at, message->length});
	out->failed |= message->failed;
}

static void put_run(buffer *out, const page_range *run, uint64_t flags)
{
	buffer entry = {0};
	put_number(&entry, ENTRY_ADDRESS, run->start);
	put_number(&entry, ENTRY_COUNT_32, (run->end - run->start) / PAGE);
	put_number(&entry, ENTRY_FLAGS, flags);
	put_number(&entry, ENTRY_COUNT, (run->end - run->start) / PAGE);
	put_message(out, &entry);
	free(entry.at);
}

// The parent's pagemap: criu's magic numbers, the pages file's number, what stands in it.
static void put_parent(buffer *out, const parent *p, const image *criu)
{
	buffer head = {0};
	put_raw(out, (bytes){criu->at, MAGIC_SIZE});
	put_number(&head, HEAD_ID, p->o->pid);
	put_message(out, &head);
	free(head.at);
	for (size_t i = 0; i < p->runs.count; i++) put_run(out, &p->runs.at[i], PE_PRESENT);
}

// criu's pagemap with our runs at their places. False: one of them lies where criu has something itself.
static bool put_merged(buffer *out, const parent *p, image *criu)
{
	size_t next = 0;
	uint64_t address = 0, done = 0;
	bytes entry;
	put_raw(out, (bytes){criu->at, MAGIC_SIZE});
	for (bool head = true; criu->next < criu->length; head = false) {
		const uint8_t *start = criu->at + criu->next;
		uint64_t count = 0;
		if (!next_entry(criu, &entry)) return false;
		if (!head && (!find_number(entry, ENTRY_ADDRESS, &address) || !(find_number(entry, ENTRY_COUNT, &count) || find_number(entry, ENTRY_COUNT_32, &count)))) return false;
		for (; !head && next < p->runs.count && p->runs.at[next].start < address; next++) {
			if (p->runs.at[next].start < done || p->runs.at[next].end > address) return false;
			put_run(out, &p->runs.at[next], PE_PARENT);
		}
		if (!head) done = address + count * PAGE;
		put_raw(out, (bytes){start, sizeof(uint32_t) + entry.length});
	}
	for (; next < p->runs.count; next++) {
		if (p->runs.at[next].start < done) return false;
		put_run(out, &p->runs.at[next], PE_PARENT);
	}
	return true;
}

static bool write_pagemaps(const parent *p)
{
	char own[PATH_SIZE], theirs[PATH_SIZE];
	image criu = {0};
	buffer first = {0}, second = {0};
	bool ok = make_path(own, "%s/parent/pagemap-%u.img", p->images, p->o->pid) && make_path(theirs, "%s/pagemap-%u.img", p->images, p->o->pid) && load_image(&criu, theirs);
	if (ok) put_parent(&first, p, &criu);
	if (ok) ok = (put_merged(&second, p, &criu) && !first.failed && !second.failed) || (errno = EBADMSG, false);
	ok = ok && write_image(own, first.at, first.length) && write_image(theirs, second.at, second.length);
	free(criu.at);
	free(first.at);
	free(second.at);
	return ok;
}

bool write_eager(const store *s, owner *o, bytes mm, char *why, size_t size)
{
	parent p = {.images = s->images, .o = o, .pages = -1};
	bool ok = write_mappings(&p, mm) && (!p.runs.count || write_pagemaps(&p));
	if (!ok) snprintf(why, size, "writing pages of process %u into images in %s: %s", o->pid, s->images, strerror(errno));
	if (p.pages >= 0) close(p.pages);
	free(p.runs.at);
	return ok;
}
