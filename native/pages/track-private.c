// Copies the private memory of a process: in a round what was written since the last, at the end also the map of what there is.
#include "track.h"
#include "track-answer.h"
#include "track-kernel.h"
#include "track-scan.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BATCH = 4 << 20, RUNS = 512, LATER_PAIRS = 1 << 20 };

typedef struct {
	tracker *t;
	process *p;
	bool final;
	spans *populated; // at the end
	spans *later; // what stays at the source; NULL: nothing of this area
	char *buffer;
	size_t count, used;
	struct iovec runs[RUNS];
} copy;

// The whole run is gone or unreadable: each page by itself, through /proc/PID/mem, which also reads what is mapped without rights.
// A page that was unmapped meanwhile is skipped; at the end there is no meanwhile.
static void copy_singly(copy *c, uint64_t start, uint64_t end)
{
	for (uint64_t at = start; at < end; at += PAGE) {
		ssize_t n = pread(c->p->memory, c->buffer, PAGE, (off_t)at);
		if (n == PAGE) send_pages(c->t->out, c->p->owner, at, c->buffer, PAGE);
		else if (c->final) stop_with("copying page %#lx of process %d: %s", (unsigned long)at, (int)c->p->pid, n < 0 ? strerror(errno) : "it is not there");
	}
}

static void flush_runs(copy *c)
{
	struct iovec whole = {c->buffer, c->used};
	size_t count = c->count, at = 0;
	if (!count) return;
	bool all = process_vm_readv(c->p->pid, &whole, 1, c->runs, count, 0) == (ssize_t)c->used;
	for (size_t i = 0; i < count; i++) {
		uint64_t start = (uint64_t)(uintptr_t)c->runs[i].iov_base, length = c->runs[i].iov_len;
		if (all) send_pages(c->t->out, c->p->owner, start, c->buffer + at, length);
		else copy_singly(c, start, start + length);
		at += length;
	}
	c->count = c->used = 0;
}

static void add_run(copy *c, uint64_t start, uint64_t end)
{
	while (start < end) {
		size_t length = end - start, room = BATCH - c->used;
		if (length > room) length = room;
		c->runs[c->count++] = (struct iovec){(void *)(uintptr_t)start, length};
		c->used += length;
		start += length;
		if (c->used == BATCH || c->count == RUNS) flush_runs(c);
	}
}

static void on_written(void *context, uint64_t start, uint64_t end, uint64_t categories)
{
	add_run(context, start, end);
}

static void send_or_leave(copy *c, uint64_t start, uint64_t end)
{
	if (!c->later) return add_run(c, start, end);
	add_span(c->later, start, end);
	c->t->left += end - start;
}

static void on_populated(void *context, uint64_t start, uint64_t end, uint64_t categories)
{
	copy *c = context;
	span *last = c->populated->count ? &c->populated->at[c->populated->count - 1] : NULL;
	if (last && last->end == start) last->end = end;
	else add_span(c->populated, start, end);
	if (categories & PAGE_WRITTEN) send_or_leave(c, start, end);
}

// Pages that read as zero anyway, and guards, which criu dumps and restores by itself, are none. FRESH: the protection bits may be left over from elsewhere (kernels before
// 6.13 keep them through mremap), so they are not asked.
static page_query populated_query(bool fresh)
{
	uint64_t none = PAGE_ZERO_FRAME | PAGE_FILE | guard_bit();
	return (page_query){.inverted = none, .all = none | (fresh ? 0 : PAGE_WRITTEN), .any = PAGE_PRESENT | PAGE_SWAPPED};
}

static char *new_buffer(void)
{
	char *buffer = aligned_alloc(PAGE, BATCH);
	if (!buffer) stop_with("copying memory: no memory left on this node");
	return buffer;
}

// While the process runs a mapping may vanish under the scan: what is registered there next time is fresh.
// Without SCAN_CHECK: with it the scan can fail after it has protected a part, whose writes would be lost.
void send_private(tracker *t, process *p)
{
	copy c = {.t = t, .p = p, .buffer = new_buffer()};
	bool failed = false;
	for (size_t i = 0; i < p->area_count; i++) {
		page_query q = populated_query(p->areas[i].fresh);
		q.flags = SCAN_PROTECT;
		q.report = PAGE_PRESENT;
		failed |= !scan_pages(p->pagemap, p->areas[i].start, p->areas[i].end, &q, on_written, &c);
	}
	flush_runs(&c);
	p->rescan = failed;
	free(c.buffer);
}

// The tasks are frozen and nothing is protected again: this is the end. Runs of the map never cross the border of two mappings.
void send_private_final(tracker *t, process *p)
{
	spans populated = {0}, part = {0}, later = {0};
	bool leave = t->later && has_its_name_alone(t, p);
	copy c = {.t = t, .p = p, .final = true, .populated = &part, .buffer = new_buffer()};
	for (size_t i = 0; i < p->area_count; i++) {
		page_query q = populated_query(true);
		q.flags = SCAN_CHECK;
		q.report = p->areas[i].fresh ? 0 : PAGE_WRITTEN;
		part.count = 0;
		c.later = leave && p->areas[i].anonymous ? &later : NULL;
		if (!scan_pages(p->pagemap, p->areas[i].start, p->areas[i].end, &q, on_populated, &c))
			stop_with("scanning %#lx-%#lx of process %d: %s", (unsigned long)p->areas[i].start, (unsigned long)p->areas[i].end, (int)p->pid, strerror(errno));
		for (size_t k = 0; k < part.count; k++) {
			add_span(&populated, part.at[k].start, part.at[k].end);
			if (p->areas[i].fresh) send_or_leave(&c, part.at[k].start, part.at[k].end);
		}
	}
	flush_runs(&c);
	for (size_t at = 0; at < later.count; at += LATER_PAIRS)
		send_pairs(t->out, PAGES_LATER, p->owner, &later.at[at], later.count - at < LATER_PAIRS ? later.count - at : LATER_PAIRS);
	send_pairs(t->out, PAGES_POPULATED, p->owner, populated.at, populated.count);
	free_spans(&populated);
	free_spans(&part);
	free_spans(&later);
	free(c.buffer);
}
