// `podmotion-pages track`: copies the memory of a cgroup's processes to the store while they run, and the rest while they are frozen.
// A command a line on stdin, an answer a line on stdout.
#include "commands.h"
#include "json.h"
#include "lines.h"
#include "track-answer.h"
#include "track-kernel.h"
#include "track-pace.h"
#include "track.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { MINIMUM_BYTES = 64 << 10, COMMAND_SIZE = 64, SEND_ROOM = 4 << 20 };
// The next one after so many bytes is over soon, and the sooner the less is left for the freeze: it does not give way.
enum { SHORT_ROUND = 32 << 20 };

static void start_step(tracker *t)
{
	reset_counters(t->out);
	t->stop_us = 0;
	t->compared = 0;
	t->left = 0;
	t->doubt = NULL;
	t->obstacle_count = 0;
}

static void send_gone(tracker *t)
{
	for (size_t i = 0; i < t->gone_count; i++) send_header(t->out, PAGES_GONE, t->gone[i], 0, 0);
	t->gone_count = 0;
}

static bool is_listed(const tracker *t, pid_t pid)
{
	for (size_t i = 0; i < t->pid_count; i++)
		if (t->pids[i] == pid) return true;
	return false;
}

// Each process once, and only those that are still there.
static size_t count_untracked(tracker *t)
{
	size_t kept = 0;
	for (size_t i = 0; i < t->obstacle_count; i++) {
		obstacle o = t->obstacles[i];
		bool known = !is_listed(t, o.pid);
		for (size_t k = 0; k < kept; k++) known |= t->obstacles[k].pid == o.pid;
		if (!known) t->obstacles[kept++] = o;
	}
	return t->obstacle_count = kept;
}

static void print_untracked(tracker *t)
{
	size_t count = count_untracked(t);
	for (size_t i = 0; i < count; i++) {
		printf("%s{\"pid\":%d,\"reason\":", i ? "," : "", (int)t->obstacles[i].pid);
		json_put(stdout, t->obstacles[i].reason);
		putchar('}');
	}
}

// The processes run again: what follows may take its time.
static void copy_all(tracker *t)
{
	send_gone(t);
	scan_views(t, true);
	mark_new_views(t);
	for (size_t i = 0; i < t->process_count; i++) {
		send_private(t, t->processes[i]);
		refresh_smaps(&t->processes[i]->smaps, t->processes[i]->pid, false);
	}
	send_segments(t, false);
}

// After the copy: a descriptor that was opened during it is found as well.
static void check_obstacles(tracker *t)
{
	char reason[200];
	for (size_t i = 0; i < t->process_count; i++) {
		process *p = t->processes[i];
		leave_open_memfds(t, p->pid);
		if (!can_be_watched(p->pid, reason)) lose(t, p, "%s", reason);
	}
	drop_lost(t);
	send_gone(t);
}

static void run_round(tracker *t)
{
	int64_t start = clock_us();
	// Of the step before.
	bool long_round = !t->round || t->out->bytes > SHORT_ROUND;
	start_step(t);
	if (is_frozen(&t->freezer)) stop_with("round %d: the processes of %s are frozen", t->round, t->freezer.folder);
	attach_new(t);
	if (t->segment_count) prepare_for_unseen(&t->unseen, t->pids, t->pid_count);
	int64_t pause = clock_us();
	if (!freeze(&t->freezer)) stop_with("round %d: %s is not frozen after 2 s (a process in it does not stop); thawed again", t->round, t->freezer.folder);
	look_at_all(t, LOOK_ROUND);
	thaw(&t->freezer);
	pause = clock_us() - pause;
	size_t suspect = count_suspect(t);
	if (long_round) give_way();
	copy_all(t);
	check_obstacles(t);
	send_and_wait(t->out, PAGES_SYNC);
	come_first();
	printf("{\"round\":%d,\"processes\":%zu,\"untracked\":[", t->round++, t->process_count);
	print_untracked(t);
	answer("],\"pages\":%" PRIu64 ",\"zeroPages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"segments\":%zu,\"suspect\":%zu,\"compared\":%" PRIu64 ",\"doubt\":\"%s\",\"pauseUs\":%" PRId64 ",\"stopUs\":%" PRId64 ",\"elapsedUs\":%" PRId64 "}",
		t->out->pages, t->out->zero_pages, t->out->bytes, t->out->sent, count_tracked_segments(t), suspect, t->compared, t->doubt ? t->doubt : "", pause, t->stop_us, clock_us() - start);
}

static void expect_frozen(const tracker *t, const char *what)
{
	if (!is_frozen(&t->freezer)) stop_with("%s: the processes of %s are not frozen", what, t->freezer.folder);
}

static void run_probe(tracker *t)
{
	expect_frozen(t, "probe");
	start_step(t);
	look_at_all(t, LOOK_PROBE);
	answer("{\"suspect\":%zu}", count_suspect(t));
}

// Of no use to private memory, as the look itself.
static void tell_came(tracker *t)
{
	answer("{\"came\":%s}", t->segment_count && has_come(&t->unseen) ? "true" : "false");
}

static void run_final(tracker *t, bool later)
{
	int64_t start = clock_us();
	expect_frozen(t, "final");
	start_step(t);
	t->later = later;
	look_at_all(t, LOOK_FINAL);
	write_skip_files(t);
	answer("{\"listed\":true,\"untracked\":%zu,\"elapsedUs\":%" PRId64 "}", count_untracked(t), clock_us() - start);
	send_gone(t);
	scan_views(t, false);
	for (size_t i = 0; i < t->process_count; i++) send_private_final(t, t->processes[i]);
	send_segments(t, true);
	uint64_t missing = send_and_wait(t->out, PAGES_FINAL);
	answer("{\"final\":true,\"missing\":%" PRIu64 ",\"pages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"left\":%" PRIu64 ",\"compared\":%" PRIu64 ",\"doubt\":\"%s\",\"elapsedUs\":%" PRId64 "}",
		missing, t->out->pages, t->out->bytes, t->out->sent, t->left, t->compared, t->doubt ? t->doubt : "", clock_us() - start);
}

static void obey(tracker *t)
{
	char line[COMMAND_SIZE];
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!strcmp(line, "round")) run_round(t);
		else if (!strcmp(line, "probe")) run_probe(t);
		else if (!strcmp(line, "came")) tell_came(t);
		else if (!strcmp(line, "final")) run_final(t, false);
		else if (!strcmp(line, "final later")) run_final(t, true);
		else stop_with("reading commands: \"%s\" is none of round, probe, came, final, final later", line);
	}
}

static const char *read_options(tracker *t, int argc, char **argv, const char **stream, const char **pack)
{
	const char *minimum = NULL;
	for (int i = 0; i + 1 < argc; i += 2) {
		const char **place = !strcmp(argv[i], "--freezer") ? &t->freezer.folder : !strcmp(argv[i], "--stream") ? stream
			: !strcmp(argv[i], "--skip") ? &t->skip : !strcmp(argv[i], "--minimum") ? &minimum : !strcmp(argv[i], "--pack") ? pack : NULL;
		if (!place) return argv[i];
		*place = argv[i + 1];
	}
	char *end = "";
	t->minimum = minimum ? strtoull(minimum, &end, 10) : MINIMUM_BYTES;
	if (*end || !t->minimum) return minimum;
	if (*pack && strcmp(*pack, "lz4")) return *pack;
	if (argc % 2 || !t->freezer.folder || !*stream || !t->skip) return argc % 2 ? argv[argc - 1] : "too few";
	return NULL;
}

int track_main(int argc, char **argv)
{
	tracker t = {0};
	const char *stream = NULL, *pack = NULL;
	const char *wrong = read_options(&t, argc, argv, &stream, &pack);
	if (wrong) stop_with("reading arguments (%s): expected --freezer FOLDER --stream SOCKET --skip FOLDER [--minimum BYTES] [--pack lz4]", wrong);
	const char *missing = missing_in_kernel();
	if (missing) stop_with("starting: this kernel has no %s (%s): tracking needs Linux 6.7", missing, strerror(errno));
	signal(SIGPIPE, SIG_IGN);
	if (!start_watchdog(&t.freezer)) stop_with("starting the watchdog: %s", strerror(errno));
	clean_skip_folder(&t);
	t.out = calloc(1, sizeof *t.out);
	if (!t.out) stop_with("starting: no memory left on this node");
	if (pack) t.out->packer = new_packer();
	t.out->fd = connect_unix(stream);
	if (t.out->fd < 0) stop_with("connecting to the stream %s: %s", stream, strerror(errno));
	// Room for a whole batch, so that reading memory and carrying it away overlap.
	setsockopt(t.out->fd, SOL_SOCKET, SO_SNDBUFFORCE, &(int){SEND_ROOM}, sizeof(int));
	obey(&t);
	close_processes(&t);
	close_segments(&t);
	close_unseen(&t.unseen);
	free_packer(t.out->packer);
	free(t.out);
	return 0;
}
