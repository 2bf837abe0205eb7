// Which blocks of watched files may be others than when they were last looked at: a bit a block, which is little beside their digests.
#include "stale.h"
#include "digest.h"
#include <stdlib.h>
#include <string.h>

enum { CHAINS = 1024 };

typedef struct {
	uint64_t device, inode;
	bool watched, for_good;
	long direct;
	stale gathered;
	unsigned next; // of its chain, plus one
} watched_file;

static watched_file files[FILES + 1];
// A file may be known under several numbers: it was away, and came back.
static unsigned chains[CHAINS];

static unsigned *chain_of(uint64_t inode)
{
	return &chains[inode % CHAINS];
}

bool is_stale(const stale *s, size_t block)
{
	return !s->bits || block >= s->blocks || s->bits[block / 8] >> block % 8 & 1;
}

// A table of many GB is hardly written anywhere: eight blocks at a time.
size_t next_stale(const stale *s, size_t from, size_t end)
{
	while (from < end && !is_stale(s, from)) from += from % 8 == 0 && from + 8 <= s->blocks && !s->bits[from / 8] ? 8 : 1;
	return from < end ? from : end;
}

static void forget(unsigned file)
{
	if (!files[file].watched) return;
	unsigned *link = chain_of(files[file].inode);
	while (*link != file + 1) link = &files[*link - 1].next;
	*link = files[file].next;
	free(files[file].gathered.bits);
}

void watch_inode(unsigned file, uint64_t device, uint64_t inode)
{
	forget(file);
	unsigned *chain = chain_of(inode);
	files[file] = (watched_file){.device = device, .inode = inode, .watched = true, .next = *chain};
	*chain = file + 1;
}

// Of all that have this inode.
static watched_file *follow(unsigned number, uint64_t inode)
{
	while (number && files[number - 1].inode != inode) number = files[number - 1].next;
	return number ? &files[number - 1] : NULL;
}

static watched_file *first_of(uint64_t inode)
{
	return follow(*chain_of(inode), inode);
}

static watched_file *next_of(const watched_file *f)
{
	return follow(f->next, f->inode);
}

static void mark(stale *s, size_t from, size_t to)
{
	if (!s->bits) return;
	for (size_t i = from; i < to && i < s->blocks; i++) s->bits[i / 8] |= (uint8_t)(1 << i % 8);
}

void stale_range(uint64_t device, uint64_t inode, uint64_t at, uint64_t length)
{
	if (!length) return;
	uint64_t end = at + length < at ? UINT64_MAX : at + length;
	for (watched_file *f = first_of(inode); f; f = next_of(f))
		if (f->device == device) mark(&f->gathered, at / BLOCK, (end - 1) / BLOCK + 1);
}

static void give_up(watched_file *f)
{
	f->for_good = true;
	free(f->gathered.bits);
	f->gathered = (stale){0};
}

void stale_for_good(uint64_t device, uint64_t inode)
{
	for (watched_file *f = first_of(inode); f; f = next_of(f))
		if (f->device == device) give_up(f);
}

void stale_for_good_by_inode(uint64_t inode)
{
	for (watched_file *f = first_of(inode); f; f = next_of(f)) give_up(f);
}

void all_stale_for_good(void)
{
	for (unsigned i = 0; i <= FILES; i++) give_up(&files[i]);
}

void count_direct(uint64_t device, uint64_t inode, int change)
{
	for (watched_file *f = first_of(inode); f; f = next_of(f))
		if (f->device == device) f->direct += change;
}

stale take_stale(unsigned file, uint64_t inode, uint64_t size)
{
	watched_file *f = &files[file];
	stale taken = f->gathered;
	size_t blocks = (size + BLOCK - 1) / BLOCK;
	f->gathered = (stale){0};
	if (f->watched && !f->for_good) f->gathered = (stale){blocks, calloc(1, blocks / 8 + 1)};
	if (!f->direct && f->inode == inode) return taken;
	free_stale(taken);
	return (stale){0};
}

void free_stale(stale s)
{
	free(s.bits);
}
