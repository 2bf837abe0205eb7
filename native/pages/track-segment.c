// Shared anonymous memory: every mapper is watched, what any of them wrote is copied once from the memory itself.
#include "track-bits.h"
#include "track-answer.h"
#include "track-kernel.h"
#include "track-scan.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { TMPFS = 0x01021994, SEND_SIZE = 1 << 20, COMPARE_THREADS = 2 };

// Anything that is not plain tmpfs memory of whole pages (huge pages, for one) is left to criu, and so are small segments.
static void open_segment(const tracker *t, segment *g, pid_t pid, const mapping *m)
{
	char name[64];
	struct stat status;
	struct statfs system;
	snprintf(name, sizeof name, "map_files/%lx-%lx", (unsigned long)m->start, (unsigned long)m->end);
	g->fd = open_process(pid, name, O_RDONLY);
	g->left = g->fd < 0 || fstat(g->fd, &status) || fstatfs(g->fd, &system) || system.f_type != TMPFS || status.st_ino != g->inode
		|| status.st_size % PAGE || (uint64_t)status.st_size < t->minimum;
	if (g->left) return;
	g->size = (uint64_t)status.st_size;
	g->device = status.st_dev;
	g->memory = mmap(NULL, g->size, PROT_READ, MAP_SHARED, g->fd, 0);
	g->written = calloc(bitmap_words(g), 8);
	g->data = calloc(bitmap_words(g), 8);
	g->hashes = calloc(g->size / PAGE + 1, 8);
	if (!g->written || !g->data || !g->hashes || g->memory == MAP_FAILED) stop_with("tracking shared memory of %lu bytes: no memory left on this node", (unsigned long)g->size);
}

// An open descriptor keeps the inode's number from being used again while we track.
long segment_of(tracker *t, pid_t pid, const mapping *m, bool create)
{
	for (size_t i = 0; i < t->segment_count; i++) {
		const segment *g = &t->segments[i];
		if (g->inode == m->inode && g->major == m->major && g->minor == m->minor) return (long)i;
	}
	if (!create) return NO_SEGMENT;
	t->segments = grow(t->segments, &t->segment_room, t->segment_count + 1, sizeof *t->segments);
	segment *g = &t->segments[t->segment_count];
	*g = (segment){.inode = m->inode, .major = m->major, .minor = m->minor, .suspect = true};
	open_segment(t, g, pid, m);
	return (long)t->segment_count++;
}

void close_segments(tracker *t)
{
	for (size_t i = 0; i < t->segment_count; i++) {
		segment *g = &t->segments[i];
		if (g->memory) munmap((void *)g->memory, g->size);
		if (g->fd >= 0) close(g->fd);
		free(g->written);
		free(g->data);
		free(g->hashes);
	}
	free(t->segments);
}

void suspect(tracker *t, size_t index, const char *why)
{
	t->segments[index].suspect = true;
	if (!t->doubt) t->doubt = why;
}

void suspect_all(tracker *t, const char *why)
{
	for (size_t i = 0; i < t->segment_count; i++) suspect(t, i, why);
}

static bool is_tracked(const segment *g)
{
	return !g->left && g->mapped;
}

size_t count_suspect(const tracker *t)
{
	size_t count = 0;
	for (size_t i = 0; i < t->segment_count; i++) count += is_tracked(&t->segments[i]) && t->segments[i].suspect;
	return count;
}

size_t count_tracked_segments(const tracker *t)
{
	size_t count = 0;
	for (size_t i = 0; i < t->segment_count; i++) count += is_tracked(&t->segments[i]);
	return count;
}

// Protects what the mapping has and puts markers where it has nothing, so that a write through an empty entry is seen too.
// The segment is compared after this, so what was written before is not missed.
static void mark(tracker *t, process *p, view *v)
{
	struct uffd_protect range = {.range = {v->start, v->end - v->start}, .mode = UFFD_PROTECT};
	v->marked = !ioctl(p->userfault, UFFD_PROTECT_IOCTL, &range);
	suspect(t, v->segment, "a mapping is new");
}

// Only now, with the tasks running: it takes milliseconds a gigabyte. A range that changed meanwhile fails, and is taken up next time.
void mark_new_views(tracker *t)
{
	for (size_t i = 0; i < t->process_count; i++) {
		process *p = t->processes[i];
		for (size_t k = 0; k < p->view_count; k++)
			if (!p->views[k].marked) mark(t, p, &p->views[k]);
	}
}

typedef struct {
	segment *g;
	const view *v;
} written_pages;

static void on_written(void *context, uint64_t start, uint64_t end, uint64_t categories)
{
	written_pages *w = context;
	uint64_t from = start - w->v->start + w->v->offset, to = end - w->v->start + w->v->offset;
	set_bits(w->g->written, from, to < w->g->size ? to : w->g->size, true);
}

// Two questions, for a write is also lost when its page table entry vanishes (MADV_DONTNEED, reclaim). First: written, asked for by
// that bit alone, which makes the kernel report empty entries without a marker too. Then: whole holes of the page table.
static bool scan_view(segment *g, const view *v, int pagemap, bool protect)
{
	written_pages w = {g, v};
	uint64_t populated = PAGE_PRESENT | PAGE_SWAPPED, flags = protect ? SCAN_PROTECT : SCAN_CHECK;
	page_query written = {.flags = flags, .all = PAGE_WRITTEN, .report = PAGE_WRITTEN};
	page_query vanished = {.flags = flags, .inverted = populated, .all = populated, .report = PAGE_PRESENT};
	return scan_pages(pagemap, v->start, v->end, &written, on_written, &w) && scan_pages(pagemap, v->start, v->end, &vanished, on_written, &w);
}

void scan_views(tracker *t, bool protect)
{
	for (size_t i = 0; i < t->process_count; i++) {
		process *p = t->processes[i];
		for (size_t k = 0; k < p->view_count; k++) {
			view *v = &p->views[k];
			segment *g = &t->segments[v->segment];
			if (!v->marked || g->left || scan_view(g, v, p->pagemap, protect)) continue;
			suspect(t, v->segment, "a mapping changed while it was scanned");
			v->marked = false;
		}
	}
}

static void send_span(tracker *t, segment *g, uint32_t owner, uint64_t start, uint64_t end, char *buffer)
{
	while (start < end) {
		size_t length = end - start < SEND_SIZE ? end - start : SEND_SIZE;
		ssize_t n = pread(g->fd, buffer, length, (off_t)start);
		if (n <= 0 || n % PAGE) stop_with("reading shared memory %lu at %lu: %s", (unsigned long)g->inode, (unsigned long)start, n < 0 ? strerror(errno) : "it is shorter than it was");
		for (ssize_t at = 0; at < n; at += PAGE) g->hashes[(start + (uint64_t)at) / PAGE] = page_hash(buffer + at);
		send_pages(t->out, owner, start, buffer, (size_t)n);
		start += (uint64_t)n;
	}
}

static void announce(tracker *t, segment *g, uint32_t owner)
{
	char name[SEGMENT_NAME] = "";
	if (g->announced) return;
	send_header(t->out, PAGES_SEGMENT, owner, g->inode, g->size);
	send_payload(t->out, name, sizeof name);
	g->announced = true;
}

static void find_to_send(tracker *t, segment *g, bool final, spans *changed)
{
	spans data = {0};
	if (g->suspect) {
		find_all_data(g);
		bits_to_spans(g, g->data, &data);
		find_changed(t, g, &data, final ? COMPARE_THREADS : 1, changed);
	} else {
		bits_to_spans(g, g->written, changed);
		for (size_t i = 0; i < changed->count; i++) refresh_data(g, &changed->at[i]);
	}
	free_spans(&data);
}

static void send_segment(tracker *t, segment *g, uint32_t owner, bool final, char *buffer)
{
	spans data = {0}, changed = {0};
	announce(t, g, owner);
	find_to_send(t, g, final, &changed);
	memset(g->written, 0, bitmap_words(g) * 8);
	g->suspect = false;
	for (size_t i = 0; i < changed.count; i++) send_span(t, g, owner, changed.at[i].start, changed.at[i].end, buffer);
	if (final) {
		bits_to_spans(g, g->data, &data);
		send_pairs(t->out, PAGES_SEGMENT_MAP, owner, data.at, data.count);
	}
	free_spans(&data);
	free_spans(&changed);
}

// At the end every segment that the store knows gets its map; one that nobody maps any longer an empty one.
void send_segments(tracker *t, bool final)
{
	char *buffer = malloc(SEND_SIZE);
	if (!buffer) stop_with("copying shared memory: no memory left on this node");
	for (size_t i = 0; i < t->segment_count; i++) {
		segment *g = &t->segments[i];
		uint32_t owner = SEGMENT_OWNER | (uint32_t)i;
		if (is_tracked(g) && (!final || g->announced)) send_segment(t, g, owner, final, buffer);
		else if (final && g->announced) send_pairs(t->out, PAGES_SEGMENT_MAP, owner, NULL, 0);
	}
	free(buffer);
}
