// The thread that hears the restored processes: their faults, and what they do to their memory.
#include "store-serve.h"
#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { WATCH_SOURCE_MS = 500 };

typedef struct {
	task *task;
	uint64_t address;
} fault;

typedef struct {
	store *store;
	fault *at;
	size_t count, size;
} fault_list;

// The child has its parent's memory as it is now, and waits until we have read of it.
static void on_fork(task *t, int uffd)
{
	if (!add_task(t->server, t->pid, uffd, t)) die(t->server->store, "a process forked by %d cannot be kept: no memory, or too many", t->pid);
}

static bool on_change(task *t, const struct uffd_msg *m)
{
	switch (m->event) {
	case UFFD_EVENT_FORK: return on_fork(t, (int)m->arg.fork.ufd), true;
	case UFFD_EVENT_REMAP: return move_mapping(&t->where, m->arg.remap.from, m->arg.remap.to, m->arg.remap.len);
	case UFFD_EVENT_REMOVE:
	case UFFD_EVENT_UNMAP: return cut_mapping(&t->where, m->arg.remove.start, m->arg.remove.end);
	}
	die(t->server->store, "process %d: unknown event %x", t->pid, m->event);
}

// Exclusive from the reading to the end of the change: the process goes on as soon as it is read, and a copy
// that still believed in the old addresses would hit what it puts there.
void read_events(task *t, void (*on_fault)(task *t, uint64_t address, void *arg), void *arg)
{
	struct uffd_msg messages[16];
	pthread_rwlock_wrlock(&t->lock);
	for (ssize_t n; !t->closed && (n = read(t->uffd, messages, sizeof messages)) > 0;)
		for (size_t i = 0; i < (size_t)n / sizeof *messages; i++) {
			if (messages[i].event == UFFD_EVENT_PAGEFAULT) on_fault(t, messages[i].arg.pagefault.address & ~(uint64_t)(PAGE - 1), arg);
			else if (!on_change(t, &messages[i])) die(t->server->store, "no memory to follow what process %d does to its own", t->pid);
		}
	pthread_rwlock_unlock(&t->lock);
}

static void add_fault(task *t, uint64_t address, void *arg)
{
	fault_list *list = arg;
	if (list->count == list->size) {
		size_t size = list->size ? 2 * list->size : 64;
		fault *more = realloc(list->at, size * sizeof *more);
		if (!more) die(list->store, "no memory to note a fault of process %d", t->pid);
		list->at = more;
		list->size = size;
	}
	list->at[list->count++] = (fault){t, address};
	atomic_fetch_add(&list->store->faults, 1);
}

// Those that must wait for an event to be read, or for the source, stay in the list. True: some are to be tried again soon.
static bool serve_faults(fault_list *list)
{
	size_t kept = 0;
	bool again = false;
	for (size_t i = 0; i < list->count; i++) {
		task *t = list->at[i].task;
		pthread_rwlock_rdlock(&t->lock);
		copy_result result = serve_page(t, list->at[i].address);
		pthread_rwlock_unlock(&t->lock);
		again |= result == AGAIN;
		if (result == AGAIN || result == LATER) list->at[kept++] = list->at[i];
	}
	list->count = kept;
	return again;
}

void wake_hearer(server *v)
{
	uint64_t one = 1;
	if (write(v->wakeup, &one, sizeof one) != sizeof one && errno != EAGAIN) die(v->store, "waking a thread: %s", strerror(errno));
}

// However often it was woken: once is enough.
static void take_wakeups(const server *v)
{
	uint64_t times;
	if (read(v->wakeup, &times, sizeof times) < 0 && errno != EAGAIN) die(v->store, "reading a wakeup: %s", strerror(errno));
}

void *hear_faults(void *arg)
{
	server *v = arg;
	fault_list faults = {.store = v->store};
	bool again = false;
	setpriority(PRIO_PROCESS, 0, -10); // a thread of the pod waits for each of these
	while (!v->over) {
		struct epoll_event events[64];
		int n = epoll_wait(v->epoll, events, 64, again ? 1 : v->store->later ? WATCH_SOURCE_MS : -1);
		if (n < 0 && errno != EINTR) die(v->store, "waiting for faults: %s", strerror(errno));
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr) read_events(events[i].data.ptr, add_fault, &faults);
			else take_wakeups(v);
		}
		again = serve_faults(&faults);
		watch_source(v);
	}
	free(faults.at);
	return NULL;
}
