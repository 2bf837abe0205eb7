// Serving: the restored processes, the thread that hears them, and the threads that fill their memory.
#pragma once
#include "store.h"
#include "store-mapping.h"

enum { TASK_LIMIT = 65536 };

// Pages of a chunk that are at the source.
typedef struct {
	const owner *owner;
	chunk *chunk;
	size_t first, count;
} want;

typedef struct task task;

// A chunk that a task has still to get.
typedef struct {
	task *task;
	size_t place;
} piece_of_work;

typedef enum { TO_COPY, IN_WORK, COPIED } chunk_progress;

// One address space: a restored process, or one that it forked while its pages were still coming.
struct task {
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
};

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
	// What is at the source (store-later.c).
	pthread_cond_t asking; // there may be something to ask for
	want *urgent;          // threads wait for these, the first first
	size_t urgent_first, urgent_count, urgent_size;
	piece_of_work *whole; // chunks of which a part was at the source, and now nothing is
	size_t whole_count, whole_size;
	size_t ahead_owner, ahead_place; // before these everything was asked for
	_Atomic int64_t came_us; // when something last came from there; 0: nobody waits yet
};

// LATER: when it has come from the source, which was asked.
typedef enum { DONE, AGAIN, LATER, GONE } copy_result;

// NULL: no memory, or too many. PARENT: whose memory it shares as it is now; its lock is held exclusively.
task *add_task(server *v, int pid, int uffd, const task *parent);
// To be called with the task's lock held (shared).
// Everything that the dump had in PAGES of chunk C goes where it is now.
copy_result copy_pages(task *t, const chunk *c, size_t first, size_t count);
// The page that a thread waits for, and some behind it; zero when the dump had none.
copy_result serve_page(task *t, uint64_t address);
// Gives up the descriptor when nothing is left: from then on the kernel answers alone. Takes the lock.
void close_if_local(task *t);

// To be called with the server's lock held.
// A thread waits for this page.
void want_page(server *v, const owner *o, chunk *c, size_t page);
// What is to be asked for next, marked as asked; AHEAD: also what nobody waits for. False: nothing now.
bool next_want(server *v, bool ahead, want *w);
// The next chunk that has come whole, if there is one.
task *take_whole(server *v, size_t *place);
// The lender went: what it did not give, the next one is asked for.
void forget_asked(server *v);

// Takes the lock. The contents (NULL: zeros) of pages that were asked for; false: they were not.
bool put_pages(server *v, uint32_t pid, uint64_t address, uint64_t length, const void *data);
// The thread that hears faults looks again at those that it could not serve.
void wake_hearer(server *v);
// A restored process cannot wait for ever. Ends the store when the source has given nothing for too long.
void watch_source(server *v);

// Reads what the task's descriptor has to say, until it says no more; calls for each page that is waited for.
void read_events(task *t, void (*on_fault)(task *t, uint64_t address, void *arg), void *arg);

// The threads.
void *hear_faults(void *server);
void *fill_memory(void *server);
// What cannot go on without risk to the restored processes ends the store; the guard sees to them.
__attribute__((noreturn, format(printf, 2, 3))) void die(store *s, const char *format, ...);
