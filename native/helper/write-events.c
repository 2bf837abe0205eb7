// The kernel's events by which contents of files change, and what each makes stale. Such of ext4, of direct I/O, and of memory that a file is mapped to.
// A range counts only from an event that comes after the change: before it, a look between the two would take it for seen. An event that comes before
// the change, or tells no range, makes a file stale for good. That these are all of this kernel and file system, watch-trial.c tries out.
#include "write-events.h"
#include "stale.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { RANGE, FOR_GOOD, DIRECT_BEGINS, DIRECT_ENDED } effect;

enum { DEVICE, INODE, AT, LENGTH, NUMBERS };

typedef struct {
	const char *event;
	effect effect;
	const char *numbers[NUMBERS];
	const char *also; // of the filter
} source;

static const source sources[] = {
	// write(2) and all that ends in it, after the copy.
	{"ext4/ext4_da_write_end", RANGE, {"dev", "ino", "pos", "len"}, ""},
	{"ext4/ext4_write_end", RANGE, {"dev", "ino", "pos", "len"}, ""},
	{"ext4/ext4_journalled_write_end", RANGE, {"dev", "ino", "pos", "len"}, ""},
	// What takes blocks away from a file, or gives it others: truncation, holes, exchanged extents.
	{"ext4/ext4_truncate_enter", FOR_GOOD, {"dev", "ino"}, ""},
	{"ext4/ext4_es_remove_extent", FOR_GOOD, {"dev", "ino"}, ""},
	{"ext4/ext4_punch_hole", FOR_GOOD, {"dev", "ino"}, ""},
	{"ext4/ext4_zero_range", FOR_GOOD, {"dev", "ino"}, ""},
	{"ext4/ext4_collapse_range", FOR_GOOD, {"dev", "ino"}, ""},
	{"ext4/ext4_insert_range", FOR_GOOD, {"dev", "ino"}, ""},
	// More than to allocate: that alone (0, FALLOC_FL_KEEP_SIZE) changes no byte.
	{"ext4/ext4_fallocate_enter", FOR_GOOD, {"dev", "ino"}, " && mode & 0xfffe"},
	// The number may become another file's.
	{"ext4/ext4_free_inode", FOR_GOOD, {"dev", "ino"}, ""},
	// O_DIRECT, after the end: `pos` is behind what was done. Reads are among them.
	{"iomap/iomap_dio_rw_begin", DIRECT_BEGINS, {"dev", "ino"}, ""},
	{"iomap/iomap_dio_complete", DIRECT_ENDED, {"dev", "ino", "pos", "ret"}, ""},
	// A page of the file comes into some process's memory: stores to it are not seen. Mappings that were there before: mapped.c.
	{"filemap/mm_filemap_fault", FOR_GOOD, {"s_dev", "i_ino"}, ""},
	{"filemap/mm_filemap_map_pages", FOR_GOOD, {"s_dev", "i_ino"}, ""},
};

enum { SOURCES = sizeof sources / sizeof *sources };

static struct {
	unsigned id;
	trace_field numbers[NUMBERS];
} recorded[SOURCES];

static trace_field kind_field;

static bool learn_format(size_t i, const char *format)
{
	if (!find_trace_id(format, &recorded[i].id) || !find_trace_number(format, "common_type", &kind_field)) return false;
	for (int n = 0; n < NUMBERS; n++) {
		const char *name = sources[i].numbers[n];
		if (name && !find_trace_number(format, name, &recorded[i].numbers[n])) return false;
	}
	return true;
}

const char *record_writes(trace *t, uint64_t device)
{
	for (size_t i = 0; i < SOURCES; i++) {
		char filter[128], *format = NULL;
		snprintf(filter, sizeof filter, "%s == %" PRIu64 "%s", sources[i].numbers[DEVICE], device, sources[i].also);
		const char *reason = record_event(t, sources[i].event, filter, &format);
		if (!reason && !learn_format(i, format)) reason = "the format of an event is not understood";
		free(format);
		if (reason) return reason;
	}
	return NULL;
}

static void end_direct(const uint64_t numbers[NUMBERS])
{
	int64_t done = (int64_t)numbers[LENGTH];
	count_direct(numbers[DEVICE], numbers[INODE], -1);
	if (done < 0 || (uint64_t)done > numbers[AT]) stale_for_good(numbers[DEVICE], numbers[INODE]);
	else stale_range(numbers[DEVICE], numbers[INODE], numbers[AT] - (uint64_t)done, (uint64_t)done);
}

static void act(effect how, const uint64_t numbers[NUMBERS])
{
	switch (how) {
	case RANGE: return stale_range(numbers[DEVICE], numbers[INODE], numbers[AT], numbers[LENGTH]);
	case FOR_GOOD: return stale_for_good(numbers[DEVICE], numbers[INODE]);
	case DIRECT_BEGINS: return count_direct(numbers[DEVICE], numbers[INODE], 1);
	case DIRECT_ENDED: return end_direct(numbers);
	}
}

bool note_write(void *context, const uint8_t *record, size_t size)
{
	uint64_t kind, numbers[NUMBERS];
	if (!read_trace_number(&kind_field, record, size, &kind)) return false;
	for (size_t i = 0; i < SOURCES; i++) {
		if (recorded[i].id != kind) continue;
		for (int n = 0; n < NUMBERS; n++)
			if (sources[i].numbers[n] && !read_trace_number(&recorded[i].numbers[n], record, size, &numbers[n])) return false;
		act(sources[i].effect, numbers);
		return true;
	}
	return false; // an event that was not asked for
}
