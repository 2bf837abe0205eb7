// The images of criu's dump, made fit for pages that come from the store, and checked against them.
#include "store-images.h"
#include "store-eager.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// criu's images/pagemap.proto and mm.proto, vma.proto; flags of include/pagemap.h and image.h.
enum { ENTRY_FLAGS = 4, MM_VMAS = 14, VMA_START = 1, VMA_END = 2, VMA_FLAGS = 6, VMA_STATUS = 7 };
enum { PE_PRESENT = 4, PE_LAZY = 2 };
enum { STATUS_VSYSCALL = 1 << 2, STATUS_VDSO = 1 << 3, STATUS_VVAR = 1 << 12, STATUS_AIORING = 1 << 13 };
enum { IMAGE_LIMIT = 256 << 20 };

bool next_entry(image *i, bytes *entry)
{
	uint32_t length;
	if (i->next + sizeof length > i->length) return false;
	memcpy(&length, i->at + i->next, sizeof length);
	i->next += sizeof length;
	if (length > i->length - i->next) return false;
	*entry = (bytes){i->at + i->next, length};
	i->next += length;
	return true;
}

// What criu itself dumped is marked "may come lazily". It stands in a local file: it is restored at once.
static bool make_eager(bytes entry, image *i)
{
	const uint8_t *p = entry.at, *end = p + entry.length;
	while (p < end) {
		field f;
		if (!read_field(&p, end, &f)) return false;
		if (f.number == ENTRY_FLAGS && f.type == 0 && f.value == (PE_PRESENT | PE_LAZY)) i->at[f.encoded - i->at] = PE_PRESENT;
	}
	return true;
}

static bool patch_entries(image *i)
{
	bytes entry;
	bool first = true;
	for (i->next = MAGIC_SIZE; i->next < i->length; first = false)
		if (!next_entry(i, &entry) || (!first && !make_eager(entry, i))) return false;
	return true;
}

bool write_image(const char *path, const void *contents, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) return false;
	bool ok = write_all(fd, contents, length);
	return close(fd) == 0 && ok;
}

bool load_image(image *i, const char *path)
{
	*i = (image){.next = MAGIC_SIZE};
	i->at = (uint8_t *)read_file(path, IMAGE_LIMIT, &i->length);
	return i->at;
}

static bool patch_pagemap(const char *path)
{
	image i;
	if (!load_image(&i, path)) return false;
	bool ok = patch_entries(&i) && write_image(path, i.at, i.length);
	free(i.at);
	return ok;
}

// pagemap-<pid>.img, of processes; those of shared memory carry no such flag.
static bool is_pagemap(const char *name)
{
	int pid, end = 0;
	return sscanf(name, "pagemap-%d.img%n", &pid, &end) == 1 && end && !name[end];
}

static bool patch_pagemaps(const store *s, char *why, size_t size)
{
	char path[PATH_SIZE];
	DIR *folder = opendir(s->images);
	if (!folder) return snprintf(why, size, "opening %s: %s", s->images, strerror(errno)), false;
	bool ok = true;
	for (struct dirent *e; ok && (e = readdir(folder));) {
		if (!is_pagemap(e->d_name)) continue;
		ok = make_path(path, "%s/%s", s->images, e->d_name) && patch_pagemap(path);
		if (!ok) snprintf(why, size, "patching %s in %s: it cannot be read or written as criu's pagemap", e->d_name, s->images);
	}
	closedir(folder);
	return ok;
}

// criu registers exactly such areas for lazy pages: private, anonymous, not locked, nothing of the kernel's.
static bool is_lazy(bytes vma)
{
	uint64_t flags = 0, status = 0;
	if (!find_number(vma, VMA_FLAGS, &flags) || !find_number(vma, VMA_STATUS, &status)) return false;
	bool private = (flags & MAP_ANONYMOUS) && (flags & MAP_PRIVATE) && !(flags & (MAP_LOCKED | MAP_HUGETLB));
	return private && !(status & (STATUS_VSYSCALL | STATUS_VDSO | STATUS_VVAR | STATUS_AIORING));
}

// How many of the process's pages are restored with this area, in one way or the other.
static size_t pages_within(const owner *o, bytes vma)
{
	uint64_t start = 0, end = 0;
	bool lazy = is_lazy(vma); // what is written into images must be here
	if (!lazy && !is_eager(vma)) return 0;
	if (!find_number(vma, VMA_START, &start) || !find_number(vma, VMA_END, &end) || end > ADDRESS_LIMIT) return 0;
	return pages_between(o, start, end, lazy);
}

static size_t pages_of(const owner *o)
{
	size_t count = 0;
	for (size_t i = 0; i < o->table_size; i++)
		for (const chunk *c = o->table[i]; c; c = c->next) count += kept_pages(c);
	return count;
}

// A page outside what criu restores would be lost without a word: nobody would ever ask for it.
static bool check_owner(const owner *o, bytes mm, const char *path, char *why, size_t size)
{
	size_t expected = pages_of(o), found = 0;
	bool read = true;
	for (const uint8_t *p = mm.at, *end = p + mm.length; read && p < end;) {
		field f;
		read = read_field(&p, end, &f);
		if (read && f.number == MM_VMAS && f.type == 2) found += pages_within(o, f.content);
	}
	if (read && found == expected) return true;
	return snprintf(why, size, "%zu of %zu pages of process %u lie in memory that criu restores from here (%s)", found, expected, o->pid, path), false;
}

static bool prepare_owner(const store *s, owner *o, char *why, size_t size)
{
	char path[PATH_SIZE];
	image i;
	bytes mm;
	if (!make_path(path, "%s/mm-%u.img", s->images, o->pid) || !load_image(&i, path))
		return !pages_of(o) || (snprintf(why, size, "process %u has %zu pages here and no mm image in %s", o->pid, pages_of(o), s->images), false);
	bool ok = next_entry(&i, &mm) || (snprintf(why, size, "%s cannot be read as criu's image of a process", path), false);
	ok = ok && check_owner(o, mm, path, why, size) && write_eager(s, o, mm, why, size);
	free(i.at);
	return ok;
}

bool prepare_images(store *s, char *why, size_t size)
{
	if (!patch_pagemaps(s, why, size)) return false;
	for (size_t i = 0; i < s->memory.owner_count; i++)
		if (!prepare_owner(s, s->memory.owners[i], why, size)) return false;
	// What is left is served, in order.
	return sort_memory(&s->memory) || (snprintf(why, size, "no memory to put %zu chunks in order", s->memory.chunk_count), false);
}
