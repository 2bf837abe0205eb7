// `freeze` and `thaw`: all containers' cgroups at one instant, v1 or v2.
#include "command.h"
#include "files.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { POLL_NS = 200 * 1000, CGROUPS = 256 };
static const int64_t limit_ns = 2000000000;

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool is_v1(const char *directory)
{
	char path[PATH_SIZE];
	return make_path(path, "%s/freezer.state", directory) && file_exists(path);
}

static bool order(const char *directory, bool frozen)
{
	char path[PATH_SIZE];
	if (is_v1(directory)) return make_path(path, "%s/freezer.state", directory) && poke(path, frozen ? "FROZEN" : "THAWED");
	return make_path(path, "%s/cgroup.freeze", directory) && poke(path, frozen ? "1" : "0");
}

// Reading freezer.state is also what makes v1 look whether FREEZING has become FROZEN.
static bool is_frozen(const char *directory)
{
	char path[PATH_SIZE];
	bool v1 = is_v1(directory);
	if (!make_path(path, "%s/%s", directory, v1 ? "freezer.state" : "cgroup.events")) return false;
	char *text = read_file(path, 1 << 16, NULL);
	bool frozen = text && (v1 ? !strncmp(text, "FROZEN", 6) : strstr(text, "frozen 1") != NULL);
	free(text);
	return frozen;
}

static int order_all(int count, char **directories, bool frozen)
{
	int code = 0;
	for (int i = 0; i < count; i++)
		if (!order(directories[i], frozen)) code = complain("%s: %s: %s", frozen ? "freeze" : "thaw", directories[i], strerror(errno));
	return code;
}

static bool wait_all(int count, char **directories, int64_t deadline, int *late)
{
	for (int i = 0; i < count; i++) {
		while (!is_frozen(directories[i])) {
			if (read_clock(CLOCK_MONOTONIC) > deadline) return *late = i, false;
			nanosleep(&(struct timespec){0, POLL_NS}, NULL);
		}
	}
	return true;
}

int freeze_command(int argc, char **argv)
{
	int late;
	if (argc < 1 || argc > CGROUPS) return complain("freeze: expected 1 to %d cgroup directories", CGROUPS);
	int64_t start = read_clock(CLOCK_REALTIME), deadline = read_clock(CLOCK_MONOTONIC) + limit_ns;
	if (order_all(argc, argv, true)) return order_all(argc, argv, false), 1;
	if (!wait_all(argc, argv, deadline, &late)) {
		order_all(argc, argv, false);
		return complain("freeze: %s is not frozen after 2 s (a process in it does not stop); thawed again", argv[late]);
	}
	int64_t end = read_clock(CLOCK_REALTIME);
	printf("{\"startNs\":%" PRId64 ",\"frozenNs\":%" PRId64 "}\n", start, end);
	return 0;
}

int thaw_command(int argc, char **argv)
{
	if (argc < 1 || argc > CGROUPS) return complain("thaw: expected 1 to %d cgroup directories", CGROUPS);
	if (order_all(argc, argv, false)) return 1;
	printf("{\"thawedNs\":%" PRId64 "}\n", read_clock(CLOCK_REALTIME));
	return 0;
}
