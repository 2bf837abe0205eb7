// The cache of smaps: head line and VmFlags of each mapping are all that criu reads of it.
// madvise can change flags without a trace in maps. So an entry is used only if two readings in a row agree, and of the flags
// that are set right after a mapping is made none is missed.
#include "track-smaps.h"
#include "track-maps.h"
#include "track-text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t line_length(const char *line)
{
	const char *end = strchr(line, '\n');
	return end ? (size_t)(end - line) + 1 : strlen(line);
}

static bool has_flag(const smaps_entry *e, const char *flag)
{
	for (const char *at = e->flags; at + 3 <= e->flags + e->flags_length; at++)
		if (at[0] == ' ' && at[1] == flag[0] && at[2] == flag[1]) return true;
	return false;
}

static void take_flags(smaps_entry *e, const char *line)
{
	static const char *const left[] = {"lo", "ss", "ht", "io", "pf", "mm"};
	e->flags = line;
	e->flags_length = line_length(line);
	for (size_t i = 0; i < sizeof left / sizeof *left; i++) e->left |= has_flag(e, left[i]);
}

static bool parse_entries(smaps_cache *cache)
{
	for (const char *line = cache->text; *line; line += line_length(line)) {
		mapping m;
		if (parse_mapping(line, &m)) {
			cache->at = grow(cache->at, &cache->room, cache->count + 1, sizeof *cache->at);
			cache->at[cache->count++] = (smaps_entry){.start = m.start, .end = m.end, .head = line, .head_length = line_length(line)};
		} else if (!strncmp(line, "VmFlags:", 8)) {
			if (!cache->count) return false;
			take_flags(&cache->at[cache->count - 1], line);
		}
	}
	return true;
}

static bool same_text(const char *a, size_t a_length, const char *b, size_t b_length)
{
	return a_length == b_length && !memcmp(a, b, a_length);
}

// Both lists ascend by address.
static void trust_unchanged(smaps_cache *now, const smaps_cache *before)
{
	for (size_t i = 0, k = 0; i < now->count; i++) {
		smaps_entry *e = &now->at[i];
		while (k < before->count && before->at[k].start < e->start) k++;
		if (k == before->count) return;
		const smaps_entry *old = &before->at[k];
		e->trusted = same_text(e->head, e->head_length, old->head, old->head_length) && same_text(e->flags, e->flags_length, old->flags, old->flags_length);
	}
}

bool refresh_smaps(smaps_cache *cache, pid_t pid, bool fresh)
{
	smaps_cache now = {.text = read_process(pid, "smaps", NULL)};
	bool whole = now.text && parse_entries(&now);
	for (size_t i = 0; whole && i < now.count; i++)
		if (!now.at[i].flags) whole = false;
	if (!whole) now.count = 0;
	if (fresh)
		for (size_t i = 0; i < now.count; i++) now.at[i].trusted = true;
	else trust_unchanged(&now, cache);
	free_smaps(cache);
	*cache = now;
	return whole;
}

// The first entry that ends behind ADDRESS.
static size_t first_behind(const smaps_cache *cache, uint64_t address)
{
	size_t low = 0, high = cache->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (cache->at[middle].end <= address) low = middle + 1;
		else high = middle;
	}
	return low;
}

bool is_left_by_flags(const smaps_cache *cache, uint64_t start, uint64_t end)
{
	for (size_t i = first_behind(cache, start); i < cache->count && cache->at[i].start < end; i++)
		if (cache->at[i].left) return true;
	return false;
}

static const smaps_entry *find_entry(const smaps_cache *cache, const char *line, size_t length, size_t *from)
{
	for (; *from < cache->count; ++*from) {
		const smaps_entry *e = &cache->at[*from];
		if (same_text(e->head, e->head_length, line, length)) return e;
	}
	return NULL;
}

char *compose_smaps(const smaps_cache *cache, const char *maps)
{
	char *text = NULL;
	size_t size = 0, from = 0;
	FILE *out = open_memstream(&text, &size);
	bool whole = out != NULL;
	for (const char *line = maps; whole && *line;) {
		size_t length = line_length(line);
		const smaps_entry *e = find_entry(cache, line, length, &from);
		whole = e && e->trusted;
		if (whole) fwrite(line, 1, length, out), fwrite(e->flags, 1, e->flags_length, out);
		line += length;
	}
	if (out && fclose(out)) whole = false;
	if (whole) return text;
	free(text);
	return NULL;
}

void free_smaps(smaps_cache *cache)
{
	free(cache->text);
	free(cache->at);
	*cache = (smaps_cache){0};
}
