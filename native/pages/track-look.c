// Compares what is mapped with what is watched, while every task is frozen, and in a round watches what is new.
// Registering only while frozen: a range from an older list may lie across two mappings, would split one, and the program's next
// mremap of it would fail.
#include "track.h"
#include "track-answer.h"
#include "track-kernel.h"
#include "track-scan.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

// Relocations are many small mappings, most of them all changed pages: watching pays from a smaller size on.
enum { FILE_PART = 4 };

// What a look at one process finds; its lists replace those of the last look.
typedef struct {
	tracker *t;
	process *p;
	look why;
	area *areas;
	size_t area_count, area_room;
	view *views;
	size_t view_count, view_room;
	size_t eligible; // private mappings that could be watched
	bool code_seen;
} glance;

// 0, or what the kernel says against it.
static int watch_range(const process *p, uint64_t start, uint64_t end)
{
	struct uffd_register range = {.range = {start, end - start}, .mode = UFFD_REGISTER_WP};
	return ioctl(p->userfault, UFFD_REGISTER_IOCTL, &range) ? errno : 0;
}

static void add_area(glance *g, const mapping *m, bool fresh)
{
	g->areas = grow(g->areas, &g->area_room, g->area_count + 1, sizeof *g->areas);
	g->areas[g->area_count++] = (area){m->start, m->end, fresh, is_private_anonymous(m)};
}

// criu runs its own system calls through the first executable mapping, and its bytes change for that time: never ours to copy.
static bool is_for_criu(glance *g, const mapping *m)
{
	bool first_code = m->executable && !g->code_seen;
	g->code_seen |= m->executable;
	uint64_t minimum = m->inode ? g->t->minimum / FILE_PART : g->t->minimum;
	if (first_code || m->end - m->start < minimum) return true;
	return is_left_by_flags(&g->p->smaps, m->start, m->end);
}

static void on_page(void *context, uint64_t start, uint64_t end, uint64_t categories)
{
	*(bool *)context = true;
}

// A mapping of a file of which the process has changed nothing needs nobody to watch it: criu dumps nothing of it.
static bool has_own_pages(const process *p, const mapping *m)
{
	page_query q = {.inverted = PAGE_FILE | PAGE_ZERO_FRAME, .all = PAGE_FILE | PAGE_ZERO_FRAME, .any = PAGE_PRESENT | PAGE_SWAPPED, .report = PAGE_PRESENT};
	bool some = false;
	return scan_pages(p->pagemap, m->start, m->end, &q, on_page, &some) && some;
}

static void look_at_private(glance *g, const mapping *m)
{
	process *p = g->p;
	bool left = is_for_criu(g, m), anonymous = is_private_anonymous(m);
	if (left || (!anonymous && !is_private_file(m))) return;
	bool watched = is_watched(p->pagemap, m->start);
	if (!watched && !anonymous && !has_own_pages(p, m)) return;
	g->eligible++;
	if (watched) return add_area(g, m, p->rescan);
	if (g->why != LOOK_ROUND) return;
	int error = watch_range(p, m->start, m->end);
	if (error && error != EINVAL && error != EBUSY) return lose(g->t, p, "its memory cannot be watched: %s", strerror(error));
	// Registered, but in a memory that is no longer this process's: an exec while somebody else still used the old one.
	if (!error && is_watched(p->pagemap, m->start)) add_area(g, m, true);
}

// The view of the last look that is the same mapping and needs no second look.
static bool was_marked(process *p, const view *now)
{
	for (size_t i = 0; i < p->view_count; i++) {
		view *old = &p->views[i];
		if (old->start != now->start || old->end != now->end || old->offset != now->offset || old->segment != now->segment) continue;
		old->kept = true;
		return old->marked;
	}
	return false;
}

static void look_at_shared(glance *g, const mapping *m)
{
	process *p = g->p;
	if (!is_shared_anonymous(m)) return;
	long index = segment_of(g->t, p->pid, m, g->why == LOOK_ROUND);
	if (index == NO_SEGMENT || g->t->segments[index].left) return;
	view now = {.start = m->start, .end = m->end, .offset = m->offset, .segment = (size_t)index};
	bool watched = is_watched(p->pagemap, m->start);
	now.marked = was_marked(p, &now) && watched;
	g->t->segments[index].mapped = true;
	// What was written through it before it was watched, and unmapped again, no scan tells.
	if (!now.marked) suspect(g->t, (size_t)index, "a mapping is new");
	if (!watched && g->why == LOOK_ROUND) watch_range(p, m->start, m->end);
	g->views = grow(g->views, &g->view_room, g->view_count + 1, sizeof *g->views);
	g->views[g->view_count++] = now;
}

static void replace_lists(glance *g)
{
	process *p = g->p;
	for (size_t i = 0; i < p->view_count; i++)
		if (!p->views[i].kept) suspect(g->t, p->views[i].segment, "a mapping went");
	free(p->areas);
	free(p->views);
	p->areas = g->areas, p->area_count = g->area_count, p->area_room = g->area_room;
	p->views = g->views, p->view_count = g->view_count, p->view_room = g->view_room;
}

// Opened at every look: an open pagemap stays with the memory that the process had then.
static bool reopen_pagemap(process *p)
{
	if (p->pagemap >= 0) close(p->pagemap);
	p->pagemap = open_process(p->pid, "pagemap", O_RDONLY);
	return p->pagemap >= 0;
}

// Locked memory shows in no line of maps: when there is any, smaps is read in the freeze, for its flags as they are now.
static bool has_locked_memory(pid_t pid)
{
	char *status = read_process(pid, "status", NULL);
	const char *locked = status ? status_field(status, "VmLck") : NULL;
	bool some = !locked || strtoull(locked, NULL, 10) != 0;
	free(status);
	return some;
}

static void look_at_process(tracker *t, process *p, look why)
{
	glance g = {.t = t, .p = p, .why = why};
	mappings list = {0};
	free(p->maps);
	p->maps = read_process(p->pid, "maps", NULL);
	if (!p->maps || !parse_mappings(p->maps, &list)) lose(t, p, "its mappings cannot be read");
	else if (!reopen_pagemap(p)) lose(t, p, "its page map cannot be opened: %s", strerror(errno));
	else if (why != LOOK_ROUND && has_locked_memory(p->pid) && !refresh_smaps(&p->smaps, p->pid, true)) lose(t, p, "its smaps cannot be read");
	for (size_t i = 0; i < p->view_count; i++) p->views[i].kept = false;
	for (size_t i = 0; i < list.count && !p->lost; i++) {
		look_at_private(&g, &list.at[i]);
		look_at_shared(&g, &list.at[i]);
	}
	if (!p->lost && why == LOOK_ROUND && g.eligible && !g.area_count) lose(t, p, "its memory was replaced (exec); taken up again in the next round");
	replace_lists(&g);
	free_mappings(&list);
}

// A process that nobody watches may write to every segment that it maps.
static void look_at_stranger(tracker *t, pid_t pid)
{
	mappings list = {0};
	char *text = read_process(pid, "maps", NULL);
	if (!text || !parse_mappings(text, &list)) suspect_all(t, "a process ended while it was looked at");
	for (size_t i = 0; i < list.count; i++) {
		long index = is_shared_anonymous(&list.at[i]) ? segment_of(t, pid, &list.at[i], false) : NO_SEGMENT;
		if (index == NO_SEGMENT) continue;
		suspect(t, (size_t)index, "a process maps it that is not tracked");
		t->segments[index].mapped = true;
	}
	free_mappings(&list);
	free(text);
}

static process *find_process(const tracker *t, pid_t pid)
{
	for (size_t i = 0; i < t->process_count; i++)
		if (t->processes[i]->pid == pid && !t->processes[i]->lost) return t->processes[i];
	return NULL;
}

static bool has_obstacle(const tracker *t, pid_t pid)
{
	for (size_t i = 0; i < t->obstacle_count; i++)
		if (t->obstacles[i].pid == pid) return true;
	return false;
}

static void meet_stranger(tracker *t, pid_t pid)
{
	size_t length = 0;
	char *maps = read_process(pid, "maps", &length);
	char *status = read_process(pid, "status", NULL);
	const char *threads = status ? status_field(status, "Threads") : NULL;
	bool zombie = maps && !length && threads && strtoul(threads, NULL, 10) <= 1;
	free(maps);
	free(status);
	if (zombie) return;
	if (!length) suspect_all(t, "the mappings of a process cannot be read");
	look_at_stranger(t, pid);
	if (!has_obstacle(t, pid)) add_obstacle(t, pid, length ? "it started after the last round" : "its main thread has ended");
}

static void mark_listed(tracker *t)
{
	struct pollfd end = {.events = POLLIN};
	for (size_t i = 0; i < t->process_count; i++) t->processes[i]->listed = false;
	for (size_t i = 0; i < t->pid_count; i++) {
		process *p = find_process(t, t->pids[i]);
		end.fd = p ? p->pidfd : -1;
		if (p && !poll(&end, 1, 0)) p->listed = true;
	}
	for (size_t i = 0; i < t->process_count; i++)
		if (!t->processes[i]->listed) lose(t, t->processes[i], "it ended");
}

void look_at_all(tracker *t, look why)
{
	list_pids(t);
	mark_listed(t);
	for (size_t i = 0; i < t->segment_count; i++) t->segments[i].mapped = false;
	for (size_t i = 0; i < t->process_count; i++)
		if (!t->processes[i]->lost) look_at_process(t, t->processes[i], why);
	for (size_t i = 0; i < t->pid_count; i++)
		if (!find_process(t, t->pids[i])) meet_stranger(t, t->pids[i]);
	// Only where it matters: what a namespace's last pid says is nothing to private memory.
	if (t->segment_count && look_for_unseen(&t->unseen, t->pids, t->pid_count)) suspect_all(t, "a process came and ended");
	drop_lost(t);
}
