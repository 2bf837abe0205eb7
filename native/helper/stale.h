// Which blocks of watched files may be others than when they were last looked at. Files are named by numbers here, and by device and inode in the
// kernel's events.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One more than are asked for: with it the watch is tried out.
enum { FILES = 4096, TRIAL_FILE = FILES };

// What to look at: a bit for each of BLOCKS, and all beyond them. No bits: all.
typedef struct {
	size_t blocks;
	uint8_t *bits;
} stale;

bool is_stale(const stale *s, size_t block);
// From FROM on, before END; else END.
size_t next_stale(const stale *s, size_t from, size_t end);
// Another inode under the same number takes its place.
void watch_inode(unsigned file, uint64_t device, uint64_t inode);
void stale_range(uint64_t device, uint64_t inode, uint64_t at, uint64_t length);
// Wholly, from now on: what is written of it cannot be told.
void stale_for_good(uint64_t device, uint64_t inode);
void all_stale_for_good(void);
void stale_for_good_by_inode(uint64_t inode);
// Direct I/O: +1 when it begins, -1 when it has ended. While they differ, the file is looked at wholly.
void count_direct(uint64_t device, uint64_t inode, int change);
// What has gathered, for the caller to free: everything if the file is not INODE. From now on it gathers for a file of SIZE bytes.
stale take_stale(unsigned file, uint64_t inode, uint64_t size);
void free_stale(stale s);
