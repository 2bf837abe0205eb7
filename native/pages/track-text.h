// Reading /proc: whole files, single fields, and ranges of addresses.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
	uint64_t start, end;
} span;

typedef struct {
	span *at;
	size_t count, room;
} spans;

// Memory that is refused ends the program: there is nothing sensible left to do, and the agent dumps in full.
void *grow(void *at, size_t *room, size_t needed, size_t size);
void add_span(spans *list, uint64_t start, uint64_t end);
void free_spans(spans *list);

// A file of /proc/PID, whole, with a NUL after it; NULL with errno. The caller frees it.
char *read_process(pid_t pid, const char *name, size_t *length);
int open_process(pid_t pid, const char *name, int flags);
// The text behind "NAME:" of a status file; NULL when it is not there.
const char *status_field(const char *status, const char *name);
// The innermost pid of a `/proc/…/status`, and how deep its pid namespace lies; 0 when it is not there.
uint32_t innermost_pid(const char *status, int *depth);
int64_t clock_us(void);
