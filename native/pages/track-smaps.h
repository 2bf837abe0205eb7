// What /proc/PID/smaps said of each mapping in the last round. Reading it walks all page tables, too long for the freeze.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
	uint64_t start, end;
	const char *head, *flags; // its line of maps, and the VmFlags line, into the text
	size_t head_length, flags_length;
	bool trusted; // said the same twice
	bool left; // memory that only criu can restore as it is: locked, shadow stacks, huge pages, devices
} smaps_entry;

typedef struct {
	char *text;
	smaps_entry *at;
	size_t count, room;
} smaps_cache;

// Reads it again. Entries that have not changed since the last time become trusted; all of them, when FRESH (the tasks are frozen).
bool refresh_smaps(smaps_cache *cache, pid_t pid, bool fresh);
// A part of the range has a flag that leaves it to criu.
bool is_left_by_flags(const smaps_cache *cache, uint64_t start, uint64_t end);
// The text that criu gets in place of smaps, for MAPS, or NULL when a mapping is not trusted. The caller frees it.
char *compose_smaps(const smaps_cache *cache, const char *maps);
void free_smaps(smaps_cache *cache);
