// Reading /proc, and lists of address ranges.
#include "track-text.h"
#include "files.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_LIMIT = 1 << 30 };

void *grow(void *at, size_t *room, size_t needed, size_t size)
{
	if (needed <= *room) return at;
	size_t larger = *room ? *room * 2 : 64;
	while (larger < needed) larger *= 2;
	void *moved = reallocarray(at, larger, size);
	if (!moved) {
		puts("{\"error\":\"tracking: no memory left on this node\"}");
		exit(1);
	}
	*room = larger;
	return moved;
}

void add_span(spans *list, uint64_t start, uint64_t end)
{
	list->at = grow(list->at, &list->room, list->count + 1, sizeof *list->at);
	list->at[list->count++] = (span){start, end};
}

void free_spans(spans *list)
{
	free(list->at);
	*list = (spans){0};
}

int open_process(pid_t pid, const char *name, int flags)
{
	char path[PATH_SIZE];
	return make_path(path, "/proc/%d/%s", (int)pid, name) ? open(path, flags | O_CLOEXEC) : -1;
}

char *read_process(pid_t pid, const char *name, size_t *length)
{
	int fd = open_process(pid, name, O_RDONLY);
	if (fd < 0) return NULL;
	char *text = read_descriptor(fd, TEXT_LIMIT, length);
	close(fd);
	return text;
}

const char *status_field(const char *status, const char *name)
{
	size_t length = strlen(name);
	for (const char *line = status; line; line = strchr(line, '\n')) {
		if (*line == '\n') line++;
		if (!strncmp(line, name, length) && line[length] == ':') return line + length + 1 + strspn(line + length + 1, " \t");
	}
	return NULL;
}

uint32_t innermost_pid(const char *status, int *depth)
{
	const char *at = status_field(status, "NSpid");
	uint32_t pid = 0;
	*depth = 0;
	while (at && *at >= '0' && *at <= '9') {
		char *end;
		pid = (uint32_t)strtoul(at, &end, 10);
		at = end + strspn(end, " \t");
		++*depth;
	}
	return pid;
}

int64_t clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
