// A restore that takes its memory from the store: criu names its processes, then all of them are filled.
#include "store-serve.h"
#include "track-text.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

// criu's LAZY_PAGES_RESTORE_FINISHED.
#define RESTORE_FINISHED 0x52535446u
// Not at a nice of their own: a filler that waits for a processor holds its lock, and a fault would wait with it.
enum { FILLERS = 2, COPY_PAGES = 64, PAUSE_US = 50 };

void die(store *s, const char *format, ...)
{
	char why[256];
	va_list args;
	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	note(s, "cannot go on: %s", why);
	_exit(1);
}

// The next chunk in turn, task by task; NULL when all are taken. One of which a part is at the source waits for that.
static task *take_work(server *v, size_t *place)
{
	task *first = take_whole(v, place);
	if (first) return first;
	for (size_t i = 0; i < v->task_count; i++) {
		task *t = v->tasks[v->turn++ % v->task_count];
		size_t count = t->owner ? t->owner->sorted_count : 0;
		while (t->next < count && (t->progress[t->next] != TO_COPY || count_pages(t->owner->sorted[t->next]->later, CHUNK_WORDS))) t->next++;
		if (t->next == count) continue;
		*place = t->next++;
		t->progress[*place] = IN_WORK;
		return t;
	}
	return NULL;
}

// In pieces, so that an event never waits long for the lock.
static copy_result copy_some(task *t, const chunk *c, size_t first)
{
	pthread_rwlock_rdlock(&t->lock);
	copy_result result = copy_pages(t, c, first, COPY_PAGES);
	pthread_rwlock_unlock(&t->lock);
	return result;
}

// Exclusive: nobody may be reading the chunk for this task when its contents go.
static void finish_chunk(task *t, size_t place)
{
	server *v = t->server;
	chunk *c = t->owner->sorted[place];
	pthread_rwlock_wrlock(&t->lock);
	pthread_mutex_lock(&v->lock);
	t->progress[place] = COPIED;
	t->left--;
	if (!--c->users) free_chunk_data(c);
	atomic_fetch_sub(&v->store->left_pages, kept_pages(c));
	pthread_cond_broadcast(&v->work);
	pthread_mutex_unlock(&v->lock);
	pthread_rwlock_unlock(&t->lock);
}

static void fill_chunk(task *t, size_t place)
{
	const chunk *c = t->owner->sorted[place];
	copy_result result = DONE;
	for (size_t first = 0; first < CHUNK_PAGES && result != GONE; first += COPY_PAGES)
		while ((result = copy_some(t, c, first)) == AGAIN) usleep(PAUSE_US);
	finish_chunk(t, place);
	close_if_local(t);
}

static bool all_copied(const server *v)
{
	for (size_t i = 0; i < v->task_count; i++)
		if (v->tasks[i]->left) return false;
	return true;
}

void *fill_memory(void *arg)
{
	server *v = arg;
	size_t place;
	pthread_mutex_lock(&v->lock);
	// One alone while they wait at the gate: those who open it want a processor, too.
	bool alone = !v->fillers++;
	while (!v->over) {
		task *t = v->restored || (v->built && alone) ? take_work(v, &place) : NULL;
		if (!t) {
			pthread_cond_wait(&v->work, &v->lock);
			continue;
		}
		pthread_mutex_unlock(&v->lock);
		fill_chunk(t, place);
		pthread_mutex_lock(&v->lock);
	}
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

static int descriptor_of(struct msghdr *header)
{
	int fd = -1;
	struct cmsghdr *c = CMSG_FIRSTHDR(header);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd)) memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

static int receive_uffd(int connection)
{
	char byte;
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = {&byte, 1};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
	ssize_t n;
	do n = recvmsg(connection, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	return n == 1 ? descriptor_of(&header) : -1;
}

// True when criu has finished; false when it went away before: it kills what it built, none of it has run.
// Anything else must not end in closed descriptors: criu might still finish, and its processes read zeros.
static bool hear_criu(server *v, int connection)
{
	store *s = v->store;
	for (;;) {
		int32_t pid;
		if (recv(connection, &pid, sizeof pid, MSG_WAITALL) != sizeof pid) return false;
		if ((uint32_t)pid == RESTORE_FINISHED) return true;
		if (pid < 0) continue; // a zombie: it has no memory
		int uffd = receive_uffd(connection);
		if (uffd < 0) die(s, "criu named process %d without its userfaultfd", pid);
		guard_container(s->guard, s->socket);
		if (!add_task(v, pid, uffd, NULL)) die(s, "no memory for process %d, or too many", pid);
		note(s, "process %d is being restored", pid);
	}
}

static void set_serving(store *s, server *v)
{
	pthread_mutex_lock(&s->lock);
	s->serving = v;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void fill_ahead(store *s)
{
	pthread_mutex_lock(&s->lock);
	server *v = s->serving;
	if (v) {
		pthread_mutex_lock(&v->lock);
		v->built = true;
		pthread_cond_broadcast(&v->work);
		pthread_cond_signal(&v->asking);
		pthread_mutex_unlock(&v->lock);
	}
	pthread_mutex_unlock(&s->lock);
}

// Returns when every page is where it belongs.
static void wait_for_filling(server *v)
{
	pthread_mutex_lock(&v->lock);
	v->built = v->restored = true;
	atomic_store(&v->came_us, clock_us());
	pthread_cond_broadcast(&v->work);
	pthread_cond_signal(&v->asking);
	pthread_mutex_unlock(&v->lock);
	for (size_t closed = 0;;) {
		pthread_mutex_lock(&v->lock);
		while (closed == v->task_count && !all_copied(v)) pthread_cond_wait(&v->work, &v->lock);
		if (closed == v->task_count) break;
		task *t = v->tasks[closed++];
		pthread_mutex_unlock(&v->lock);
		close_if_local(t); // those that never had a page to come
	}
	pthread_mutex_unlock(&v->lock);
}

static void stop_threads(server *v, pthread_t *threads, size_t count)
{
	pthread_mutex_lock(&v->lock);
	v->over = true;
	pthread_cond_broadcast(&v->work);
	pthread_mutex_unlock(&v->lock);
	wake_hearer(v);
	for (size_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

static void close_tasks(server *v)
{
	for (size_t i = 0; i < v->task_count; i++) {
		task *t = v->tasks[i];
		if (!t->closed) close(t->uffd);
		free_mapping(&t->where);
		free(t->progress);
		pthread_rwlock_destroy(&t->lock);
		free(t);
	}
	free(v->tasks);
	free(v->urgent);
	free(v->whole);
	close(v->epoll);
	close(v->wakeup);
}

static bool run_restore(server *v, int connection)
{
	pthread_t threads[1 + FILLERS];
	for (size_t i = 0; i <= FILLERS; i++)
		if (pthread_create(&threads[i], NULL, i ? fill_memory : hear_faults, v)) die(v->store, "no thread to serve pages");
	bool ok = hear_criu(v, connection);
	if (ok) wait_for_filling(v);
	set_serving(v->store, NULL);
	dismiss_lender(v->store);
	stop_threads(v, threads, 1 + FILLERS);
	return ok;
}

void serve_restore(store *s, int connection)
{
	server v = {.store = s, .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .asking = PTHREAD_COND_INITIALIZER};
	v.epoll = epoll_create1(EPOLL_CLOEXEC);
	v.wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event over = {.events = EPOLLIN, .data.ptr = NULL};
	if (epoll_ctl(v.epoll, EPOLL_CTL_ADD, v.wakeup, &over)) die(s, "no descriptors to serve pages: %s", strerror(errno));
	set_state(s, SERVING);
	note(s, "criu has come");
	set_serving(s, &v);
	bool ok = run_restore(&v, connection);
	close_tasks(&v);
	atomic_store(&s->guard->needed, false);
	close(connection);
	drop_segments(&s->segments);
	drop_memory(&s->memory);
	if (ok) set_state(s, LOCAL);
	else fail_store(s, "criu went away before its restore was finished");
	note(s, "%s, %llu faults", state_name(s->state), (unsigned long long)s->faults);
}

static void *accept_criu(void *arg)
{
	store *s = arg;
	int connection;
	do connection = accept4(s->lazy, NULL, NULL, SOCK_CLOEXEC);
	while (connection < 0 && errno == EINTR);
	close(s->lazy);
	if (connection >= 0) serve_restore(s, connection);
	return NULL;
}

// Until then criu's connect is refused, and its restore fails at once: a connection that is only closed again could
// be noticed too late. Without the preload, which takes the segments, criu would make empty ones.
void await_restore(store *s)
{
	pthread_t thread;
	pthread_mutex_lock(&s->lock);
	bool complete = s->handed_out || !count_segments(&s->segments), first = complete && !s->awaited;
	if (first) s->awaited = true;
	pthread_mutex_unlock(&s->lock);
	if (!first) return;
	bool ok = !listen(s->lazy, 1) && !pthread_create(&thread, NULL, accept_criu, s);
	if (ok) pthread_detach(thread);
	else fail_store(s, "listening for criu: %s", strerror(errno));
}
