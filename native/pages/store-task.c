// One restored address space: its pages are copied into it, by need or in order.
#include "store-serve.h"
#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

// What a fault brings along: the neighbours are wanted next.
enum { FAULT_PAGES = 16 };

static bool keep_task(server *v, task *t)
{
	if (v->task_count >= TASK_LIMIT) return false;
	task **more = realloc(v->tasks, (v->task_count + 1) * sizeof *more);
	if (!more) return false;
	v->tasks = more;
	v->tasks[v->task_count++] = t;
	return true;
}

static size_t chunk_count(const task *t)
{
	return t->owner ? t->owner->sorted_count : 0;
}

// The chunks that it still needs are kept for it as well.
static void count_in(task *t, const task *parent)
{
	for (size_t i = 0; i < chunk_count(t); i++) {
		bool copied = parent && parent->progress[i] == COPIED;
		t->progress[i] = copied ? COPIED : TO_COPY;
		if (copied) continue;
		chunk *c = t->owner->sorted[i];
		c->users++;
		t->left++;
		atomic_fetch_add(&t->server->store->left_pages, kept_pages(c));
	}
}

task *add_task(server *v, int pid, int uffd, const task *parent)
{
	task *t = calloc(1, sizeof *t);
	if (!t) return NULL;
	*t = (task){.server = v, .pid = pid, .uffd = uffd};
	t->owner = parent ? parent->owner : find_owner(&v->store->memory, (uint32_t)pid, false);
	t->progress = calloc(chunk_count(t) + 1, 1);
	pthread_rwlockattr_t kind;
	pthread_rwlockattr_init(&kind);
	// Faults and events come first: what fills in order must not keep them out.
	pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&t->lock, &kind);
	bool mapped = parent ? copy_mapping(&t->where, &parent->where) : map_all(&t->where, ADDRESS_LIMIT);
	pthread_mutex_lock(&v->lock);
	bool kept = mapped && t->progress && keep_task(v, t);
	if (kept) count_in(t, parent);
	pthread_cond_broadcast(&v->work);
	pthread_mutex_unlock(&v->lock);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = t};
	return kept && !epoll_ctl(v->epoll, EPOLL_CTL_ADD, uffd, &event) ? t : NULL;
}

static copy_result fail_copy(task *t, uint64_t address, int error)
{
	if (error == ESRCH || error == ENOSPC) { // ENOSPC: the same, of older kernels
		atomic_store(&t->gone, true);
		return GONE;
	}
	if (error == EAGAIN || error == ENOMEM || error == EINTR) return AGAIN; // an event waits to be read; its cgroup is full for now
	die(t->server->store, "copying page %llx of process %d: %s", (unsigned long long)address, t->pid, strerror(error));
}

// A thread that waits there looks again: the page is there, or the address is nobody's any more.
static void wake(const task *t, uint64_t address)
{
	struct uffdio_range range = {address, PAGE};
	ioctl(t->uffd, UFFDIO_WAKE, &range);
}

// One step from ADDRESS on: how far it went in *MOVED (it may have gone a part of the way and fail then).
static int copy_step(const task *t, uint64_t address, const char *data, uint64_t length, uint64_t *moved)
{
	struct uffdio_copy copy = {.dst = address, .src = (uintptr_t)data, .len = length};
	*moved = 0;
	if (!ioctl(t->uffd, UFFDIO_COPY, &copy)) return *moved = length, 0;
	if (copy.copy > 0) return *moved = (uint64_t)copy.copy, 0;
	return errno;
}

static copy_result copy_run(task *t, uint64_t address, const char *data, uint64_t length)
{
	uint64_t step = length;
	for (uint64_t at = 0, moved; at < length; at += moved) {
		uint64_t size = length - at < step ? length - at : step;
		int error = copy_step(t, address + at, data + at, size, &moved);
		if (!error) continue;
		bool skippable = error == EEXIST || error == ENOENT || error == EINVAL;
		if (!skippable) return fail_copy(t, address + at, error);
		// Some kernels refuse a run that goes across a border of two areas: page by page from here.
		if (error != EEXIST && size > PAGE) step = PAGE;
		else wake(t, address + at), moved = PAGE;
	}
	return DONE;
}

// The pages FIRST… of C, as far as they are held and lie in this piece.
static copy_result copy_piece(task *t, const chunk *c, const piece *p, size_t first, size_t count)
{
	uint64_t base = c->number * CHUNK_BYTES, end = p->image + (p->end - p->start);
	for (size_t page = first; page < first + count;) {
		size_t run = 0;
		uint64_t image = base + page * PAGE;
		while (page + run < first + count && has_page(c->held, page + run) && image + run * PAGE >= p->image && image + run * PAGE < end) run++;
		copy_result result = run ? copy_run(t, p->start + (image - p->image), c->data + page * PAGE, run * PAGE) : DONE;
		if (result != DONE) return result;
		page += run + 1;
	}
	return DONE;
}

copy_result copy_pages(task *t, const chunk *c, size_t first, size_t count)
{
	uint64_t start = c->number * CHUNK_BYTES + first * PAGE, end = start + count * PAGE;
	if (t->gone || t->closed) return GONE;
	for (size_t i = 0; i < t->where.count; i++) {
		const piece *p = &t->where.at[i];
		if (p->image >= end || p->image + (p->end - p->start) <= start) continue;
		copy_result result = copy_piece(t, c, p, first, count);
		if (result != DONE) return result;
	}
	return DONE;
}

static copy_result serve_zero(task *t, uint64_t address)
{
	struct uffdio_zeropage zero = {.range = {address, PAGE}};
	if (!ioctl(t->uffd, UFFDIO_ZEROPAGE, &zero)) return DONE;
	if (errno != EEXIST && errno != ENOENT && errno != EINVAL) return fail_copy(t, address, errno);
	wake(t, address);
	return DONE;
}

typedef enum { NOWHERE, HERE, AT_SOURCE } whereabouts;

// Of contents that are still to be given to this task. Once they were copied, what reads as missing was given up.
static whereabouts find_contents(task *t, chunk *c, size_t page)
{
	server *v = t->server;
	pthread_mutex_lock(&v->lock);
	whereabouts found = has_page(c->held, page) ? HERE : has_page(c->later, page) ? AT_SOURCE : NOWHERE;
	if (found != NOWHERE && t->progress[c->place] == COPIED) found = NOWHERE;
	if (found == AT_SOURCE) want_page(v, t->owner, c, page);
	pthread_mutex_unlock(&v->lock);
	return found;
}

copy_result serve_page(task *t, uint64_t address)
{
	if (t->gone || t->closed) return GONE;
	const piece *p = find_piece(&t->where, address);
	uint64_t image = p ? p->image + (address - p->start) : 0;
	chunk *c = p && t->owner ? find_chunk(t->owner, image / CHUNK_BYTES) : NULL;
	size_t page = image % CHUNK_BYTES / PAGE, run = 0;
	whereabouts found = c ? find_contents(t, c, page) : NOWHERE;
	if (found == AT_SOURCE) return LATER;
	if (found == NOWHERE) return serve_zero(t, address);
	while (run < FAULT_PAGES && page + run < CHUNK_PAGES && address + run * PAGE < p->end && has_page(c->held, page + run)) run++;
	return copy_run(t, address, c->data + page * PAGE, run * PAGE);
}

void close_if_local(task *t)
{
	server *v = t->server;
	pthread_rwlock_wrlock(&t->lock);
	pthread_mutex_lock(&v->lock);
	bool local = !t->left && v->restored;
	pthread_mutex_unlock(&v->lock);
	if (local && !t->closed) {
		t->closed = true;
		epoll_ctl(v->epoll, EPOLL_CTL_DEL, t->uffd, NULL);
		close(t->uffd);
	}
	pthread_rwlock_unlock(&t->lock);
}
