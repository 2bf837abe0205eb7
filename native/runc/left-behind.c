// A criu that was killed leaves what it had restored, stopped for ever and with the container's stdio open: containerd waits for that to
// close before it lets the container go. They come to the stand-in as its children; when that is killed they must not outlive it.
#include "left-behind.h"
#include "places.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

left_behind find_left_behind(pid_t standin, pid_t store)
{
	left_behind left = {.count = 0};
	char path[64], line[4096];
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)standin, (int)standin);
	if (!first_line(path, line, sizeof line)) return left;
	char *rest = line, *word;
	while ((word = strsep(&rest, " ")) && left.count < LEFT_BEHIND) {
		pid_t pid = atoi(word);
		if (pid > 0 && pid != store) left.pids[left.count++] = pid;
	}
	return left;
}

void end_left_behind(const left_behind *left)
{
	for (int i = 0; i < left->count; i++) kill(left->pids[i], SIGKILL);
}
