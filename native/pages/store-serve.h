// Serving: the restored processes, the thread that hears them, and the threads that fill their memory.
#pragma once
#include "store.h"
#include "store-mapping.h"

enum { TASK_LIMIT = 65536 };

typedef enum { TO_COPY, IN_WORK, COPIED } chunk_progress;

// One address space: a restored process, or one that it forked while its pages were still coming.
typedef struct {
	server *server;
	int pid, uffd;
	const owner *owner; // NULL: no page of it came
	// Copies hold it shared, events exclusively: a page must never go to an address that has changed its meaning.
	pthread_rwlock_t lock;
	mapping where;
	bool closed;       // under `lock`
	_Atomic bool gone; // its address space ended
	uint8_t *progress; // of each chunk; under the server's lock
	size_t next, left;
} task;

struct server {
	store *store;
	pthread_mutex_t lock; // taken after a task's
	pthread_cond_t work;
	task **tasks;
	size_t task_count, turn, fillers;
	int epoll, wakeup; // the latter is for the end
	bool built;    // criu changes nothing of their memory any more: it may be filled in, also while they wait at the gate
	bool restored; // criu has finished
	_Atomic bool over;
};

typedef enum { DONE, AGAIN, GONE } copy_result;

// NULL: no memory, or too many. PARENT: whose memory it shares as it is now; its lock is held exclusively.
task *add_task(server *v, int pid, int uffd, const task *parent);
// To be called with the task's lock held (shared).
// Everything that the dump had in PAGES of chunk C goes where it is now.
copy_result copy_pages(task *t, const chunk *c, size_t first, size_t count);
// The page that a thread waits for, and some behind it; zero when the dump had none.
copy_result serve_page(task *t, uint64_t address);
// Gives up the descriptor when nothing is left: from then on the kernel answers alone. Takes the lock.
void close_if_local(task *t);

// Reads what the task's descriptor has to say, until it says no more; calls for each page that is waited for.
void read_events(task *t, void (*on_fault)(task *t, uint64_t address, void *arg), void *arg);

// The threads.
void *hear_faults(void *server);
void *fill_memory(void *server);
// What cannot go on without risk to the restored processes ends the store; the guard sees to them.
__attribute__((noreturn, format(printf, 2, 3))) void die(store *s, const char *format, ...);
