// Parses /proc/PID/maps and says what of it is anonymous memory.
#include "track-maps.h"
#include "track-text.h"
#include <stdlib.h>
#include <string.h>

static bool take_hex(const char **at, uint64_t *out)
{
	char *end;
	*out = strtoull(*at, &end, 16);
	bool ok = end != *at;
	*at = end;
	return ok;
}

static bool take(const char **at, char expected)
{
	if (**at != expected) return false;
	++*at;
	return true;
}

static bool take_flags(const char **at, mapping *m)
{
	if (strnlen(*at, 5) < 5) return false;
	m->writable = (*at)[1] == 'w';
	m->executable = (*at)[2] == 'x';
	m->shared = (*at)[3] == 's';
	*at += 4;
	return take(at, ' ');
}

static bool take_device(const char **at, mapping *m)
{
	uint64_t major, minor;
	if (!take_hex(at, &major) || !take(at, ':') || !take_hex(at, &minor) || !take(at, ' ')) return false;
	m->major = (unsigned)major;
	m->minor = (unsigned)minor;
	return true;
}

const char *parse_mapping(const char *line, mapping *m)
{
	const char *at = line, *stop = strchr(line, '\n');
	char *end;
	*m = (mapping){0};
	if (!stop || !take_hex(&at, &m->start) || !take(&at, '-') || !take_hex(&at, &m->end) || !take(&at, ' ')) return NULL;
	if (!take_flags(&at, m) || !take_hex(&at, &m->offset) || !take(&at, ' ') || !take_device(&at, m)) return NULL;
	m->inode = strtoull(at, &end, 10);
	if (end == at || m->end <= m->start) return NULL;
	m->name = end + strspn(end, " ");
	m->name_length = (size_t)(stop - m->name);
	return stop + 1;
}

bool parse_mappings(const char *text, mappings *list)
{
	list->count = 0;
	for (const char *line = text; *line;) {
		list->at = grow(list->at, &list->room, list->count + 1, sizeof *list->at);
		line = parse_mapping(line, &list->at[list->count]);
		if (!line) return false;
		list->count++;
	}
	return true;
}

void free_mappings(mappings *list)
{
	free(list->at);
	*list = (mappings){0};
}

static bool is_named(const mapping *m, const char *name)
{
	return m->name_length == strlen(name) && !strncmp(m->name, name, m->name_length);
}

bool is_private_anonymous(const mapping *m)
{
	if (m->shared || m->inode || m->major || m->minor) return false;
	return m->name_length == 0 || is_named(m, "[heap]") || (m->name_length > 6 && !strncmp(m->name, "[anon:", 6));
}

bool is_private_file(const mapping *m)
{
	// Devices and memfds have a name as well, and rules of their own.
	return !m->shared && !m->executable && m->inode && m->name_length > 1 && *m->name == '/' && strncmp(m->name, "/dev/", 5) && strncmp(m->name, "/memfd:", 7);
}

bool is_shared_anonymous(const mapping *m)
{
	// The kernel's own, and what a restore by criu leaves in its place (4.2 and older ones).
	static const char *const names[] = {"/dev/zero (deleted)", "/memfd:/dev/zero (deleted)", "/memfd: (deleted)"};
	for (size_t i = 0; m->shared && m->inode && i < sizeof names / sizeof *names; i++)
		if (is_named(m, names[i])) return true;
	return false;
}
