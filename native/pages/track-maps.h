// The mappings of a process, as /proc/PID/maps has them.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
	uint64_t start, end, offset, inode;
	unsigned major, minor;
	bool shared, executable, writable;
	const char *name; // "" for none; not terminated: up to the line's end
	size_t name_length;
} mapping;

typedef struct {
	mapping *at;
	size_t count, room;
} mappings;

// One line of maps (or the head of an entry of smaps); NULL when it is none, else where the next line starts.
const char *parse_mapping(const char *line, mapping *out);
// The names point into TEXT. False when a line cannot be read.
bool parse_mappings(const char *text, mappings *out);
void free_mappings(mappings *list);

// Private anonymous memory: heap, named or unnamed; neither a stack that the kernel made nor a file.
bool is_private_anonymous(const mapping *m);
// Shared anonymous memory: MAP_SHARED|MAP_ANONYMOUS, or the memfd without name that criu makes of it.
bool is_shared_anonymous(const mapping *m);
// A private mapping of a file, not of code: the loader's relocations and the program's data are pages of its own there.
bool is_private_file(const mapping *m);
