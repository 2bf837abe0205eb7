// Shared memory that comes: each segment a memfd, filled as its pages arrive.
#include "store-segments.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

segment *find_segment(segment_list *list, uint32_t index)
{
	return index < list->count && list->at[index].fd >= 0 ? &list->at[index] : NULL;
}

void drop_segment(segment *s)
{
	if (s->data) munmap(s->data, s->size);
	if (s->fd >= 0) close(s->fd);
	free(s->held);
	free(s->populated.at);
	*s = (segment){.fd = -1};
}

void drop_segments(segment_list *list)
{
	for (size_t i = 0; i < list->count; i++) drop_segment(&list->at[i]);
	free(list->at);
	*list = (segment_list){0};
}

static segment *place_for(segment_list *list, uint32_t index)
{
	if (index > list->count || index >= SEGMENT_LIMIT) return errno = EINVAL, NULL;
	if (index < list->count) return drop_segment(&list->at[index]), &list->at[index];
	segment *more = realloc(list->at, (list->count + 1) * sizeof *more);
	if (!more) return NULL;
	list->at = more;
	list->at[list->count] = (segment){.fd = -1};
	return &list->at[list->count++];
}

bool begin_segment(segment_list *list, uint32_t index, uint64_t id, uint64_t size, const char *name)
{
	if (!size || size > SEGMENT_SIZE_LIMIT) return errno = EINVAL, false;
	size = (size + PAGE - 1) / PAGE * PAGE; // a memfd's last page may be a part of one
	segment *s = place_for(list, index);
	if (!s) return false;
	s->id = id;
	s->size = size;
	s->held = calloc(size / PAGE / 64 + 1, sizeof *s->held);
	s->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (!s->held || s->fd < 0 || ftruncate(s->fd, (off_t)size)) return drop_segment(s), false;
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (data == MAP_FAILED) return drop_segment(s), false;
	s->data = data;
	return true;
}

static bool punch(const segment *s, uint64_t offset, uint64_t length)
{
	return !length || fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length) == 0;
}

bool zero_segment(segment *s, uint64_t offset, uint64_t length)
{
	if (!punch(s, offset, length)) return false;
	set_pages(s->held, offset / PAGE, length / PAGE);
	return true;
}

// What is gone at the source must not come back here.
static uint64_t forget(segment *s, uint64_t start, uint64_t end)
{
	clear_pages(s->held, start / PAGE, (end - start) / PAGE);
	return punch(s, start, end - start) ? 0 : (end - start) / PAGE;
}

static uint64_t settle_segment(segment *s)
{
	uint64_t missing = 0, at = 0;
	for (size_t i = 0; i < s->populated.count; i++) {
		page_range r = s->populated.at[i];
		missing += forget(s, at, r.start);
		size_t count = (r.end - r.start) / PAGE;
		missing += count - count_set(s->held, r.start / PAGE, count);
		at = r.end;
	}
	return missing + forget(s, at, s->size);
}

uint64_t settle_segments(segment_list *list)
{
	uint64_t missing = 0;
	for (size_t i = 0; i < list->count; i++) {
		segment *s = &list->at[i];
		if (s->fd < 0) continue;
		// criu dumps it in full then, and its contents are not to be replaced.
		if (s->populated.came) missing += settle_segment(s);
		else drop_segment(s);
	}
	return missing;
}

size_t count_segments(const segment_list *list)
{
	size_t count = 0;
	for (size_t i = 0; i < list->count; i++) count += list->at[i].fd >= 0;
	return count;
}
