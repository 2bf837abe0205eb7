// `podmotion-pages lend`: gives pages of a frozen cgroup's processes to the store that asks for them. Keeps nothing: another one goes on where
// it ended.
#include "commands.h"
#include "lines.h"
#include "track-answer.h"
#include "track-kernel.h"
#include "track.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WANTS = 128 };

typedef struct {
	uint32_t owner;
	int memory; // /proc/PID/mem
} borrowed;

typedef struct {
	tracker who; // only its cgroup and stream
	borrowed *processes;
	size_t count, room;
	message wants[WANTS];
	size_t used; // bytes of them
	char contents[WANT_BYTES];
} loan;

static void expect_frozen(const loan *l)
{
	if (!is_frozen(&l->who.freezer)) stop_with("lending pages: the processes of %s are not frozen", l->who.freezer.folder);
}

static void add_process(loan *l, pid_t pid)
{
	int depth, memory = open_process(pid, "mem", O_RDONLY);
	char *status = read_process(pid, "status", NULL);
	uint32_t owner = status ? innermost_pid(status, &depth) : 0;
	free(status);
	if (!owner || memory < 0) return (void)(memory >= 0 && close(memory));
	l->processes = grow(l->processes, &l->room, l->count + 1, sizeof *l->processes);
	l->processes[l->count++] = (borrowed){owner, memory};
}

// All that are frozen here; none comes later.
static void find_processes(loan *l)
{
	list_pids(&l->who);
	for (size_t i = 0; i < l->who.pid_count; i++) add_process(l, l->who.pids[i]);
}

static const borrowed *find_owner_here(const loan *l, uint32_t owner)
{
	const borrowed *found = NULL;
	for (size_t i = 0; i < l->count; i++) {
		if (l->processes[i].owner != owner) continue;
		if (found) stop_with("lending pages: two processes of %s have the innermost pid %u", l->who.freezer.folder, owner);
		found = &l->processes[i];
	}
	return found;
}

// False: the process has ended, and its memory with it.
static bool read_pages(loan *l, const borrowed *from, const message *m)
{
	for (size_t done = 0; done < m->length;) {
		ssize_t n = pread(from->memory, l->contents + done, m->length - done, (off_t)(m->address + done));
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) stop_with("lending page %#lx of process %u: %s", (unsigned long)(m->address + done), m->owner, strerror(errno));
		if (n == 0) return false;
		done += (size_t)n;
	}
	return true;
}

static void give(loan *l, const message *m)
{
	if (m->type == PAGES_OVER) exit(0);
	bool whole = m->address % PAGE == 0 && m->length % PAGE == 0 && m->length && m->length <= WANT_BYTES;
	if (m->type != PAGES_WANT || !whole) stop_with("lending pages: the store's message %u for %lu bytes at %#lx is none", m->type, (unsigned long)m->length, (unsigned long)m->address);
	if (!l->count) find_processes(l);
	const borrowed *from = find_owner_here(l, m->owner);
	if (from && read_pages(l, from, m)) send_pages(l->who.out, m->owner, m->address, l->contents, m->length);
	else send_header(l->who.out, PAGES_GONE, m->owner, 0, 0);
}

// Asked between: what was read of a process that ran is not given away.
static void give_all(loan *l)
{
	size_t count = l->used / sizeof *l->wants;
	expect_frozen(l);
	for (size_t i = 0; i < count; i++) give(l, &l->wants[i]);
	expect_frozen(l);
	flush_stream(l->who.out);
	l->used -= count * sizeof *l->wants;
	memmove(l->wants, &l->wants[count], l->used);
}

static void lend_all(loan *l)
{
	for (;;) {
		ssize_t n = read(l->who.out->fd, (char *)l->wants + l->used, sizeof l->wants - l->used);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) stop_with("waiting for what the store wants: %s", n ? strerror(errno) : "it ended the stream");
		l->used += (size_t)n;
		if (l->used >= sizeof *l->wants) give_all(l);
	}
}

static const char *read_options(loan *l, int argc, char **argv, const char **stream, const char **pack, const char **limit)
{
	for (int i = 0; i + 1 < argc; i += 2) {
		const char **place = !strcmp(argv[i], "--freezer") ? &l->who.freezer.folder : !strcmp(argv[i], "--stream") ? stream
			: !strcmp(argv[i], "--pack") ? pack : !strcmp(argv[i], "--limit") ? limit : NULL;
		if (!place) return argv[i];
		*place = argv[i + 1];
	}
	if (*pack && strcmp(*pack, "lz4")) return *pack;
	if (argc % 2 || !l->who.freezer.folder || !*stream) return argc % 2 ? argv[argc - 1] : "too few";
	return NULL;
}

int lend_main(int argc, char **argv)
{
	static loan l;
	const char *stream = NULL, *pack = NULL, *limit = "0";
	const char *wrong = read_options(&l, argc, argv, &stream, &pack, &limit);
	if (wrong) stop_with("reading arguments (%s): expected --freezer FOLDER --stream SOCKET [--pack lz4] [--limit BYTES]", wrong);
	signal(SIGPIPE, SIG_IGN);
	l.who.out = calloc(1, sizeof *l.who.out);
	if (!l.who.out) stop_with("starting: no memory left on this node");
	if (pack) l.who.out->packer = new_packer();
	l.who.out->fd = connect_unix(stream);
	if (l.who.out->fd < 0) stop_with("connecting to the stream %s: %s", stream, strerror(errno));
	send_header(l.who.out, PAGES_LEND, 0, 0, strtoull(limit, NULL, 10));
	flush_stream(l.who.out);
	lend_all(&l);
	return 0;
}
