// A criu that was killed leaves what it had restored, stopped for ever and with the container's stdio open: containerd waits for that to
// close before it lets the container go. They are below the stand-in, runc's children or its own; when that is killed they must not outlive it.
#include "left-behind.h"
#include "places.h"
#include "repair.h"
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_below(left_behind *left, pid_t parent, pid_t but);

// The kernel keeps children by the thread that made them.
static void add_children(left_behind *left, pid_t parent, const char *thread, pid_t but)
{
	char path[PATH_SIZE], line[4096];
	if (!make_path(path, "/proc/%d/task/%s/children", (int)parent, thread) || !first_line(path, line, sizeof line)) return;
	char *rest = line, *word;
	while ((word = strsep(&rest, " ")) && left->count < LEFT_BEHIND) {
		pid_t pid = atoi(word);
		if (pid <= 0 || pid == but) continue;
		left->pids[left->count++] = pid;
		add_below(left, pid, but);
	}
}

static void add_below(left_behind *left, pid_t parent, pid_t but)
{
	char path[PATH_SIZE];
	DIR *threads = make_path(path, "/proc/%d/task", (int)parent) ? opendir(path) : NULL;
	for (struct dirent *e; threads && (e = readdir(threads));)
		if (e->d_name[0] != '.') add_children(left, parent, e->d_name, but);
	if (threads) closedir(threads);
}

left_behind find_left_behind(pid_t standin, pid_t store)
{
	left_behind left = {.count = 0};
	add_below(&left, standin, store);
	return left;
}

void free_left_behind(const left_behind *left)
{
	for (int i = 0; i < left->count; i++) leave_repair_of(left->pids[i]);
}

void end_left_behind(const left_behind *left)
{
	for (int i = 0; i < left->count; i++) kill(left->pids[i], SIGKILL);
}
