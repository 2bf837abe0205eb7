// The processes of the cgroup: listing, attaching new ones, forgetting those that went.
#include "track.h"
#include "files.h"
#include "track-answer.h"
#include "track-inject.h"
#include "track-kernel.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { COMPARE_MEMORY = 1, CGROUP_DEPTH = 32 };

static void add_pids(tracker *t, const char *folder)
{
	char path[PATH_SIZE], *end;
	char *text = make_path(path, "%s/cgroup.procs", folder) ? read_file(path, 1 << 26, NULL) : NULL;
	for (char *at = text; at && *at; at = end + strspn(end, "\n")) {
		long pid = strtol(at, &end, 10);
		if (end == at) break;
		t->pids = grow(t->pids, &t->pid_room, t->pid_count + 1, sizeof *t->pids);
		if (pid > 0) t->pids[t->pid_count++] = (pid_t)pid;
	}
	free(text);
}

static void add_cgroup(tracker *t, const char *folder, int depth)
{
	struct dirent *entry;
	char path[PATH_SIZE];
	add_pids(t, folder);
	DIR *inside = depth < CGROUP_DEPTH ? opendir(folder) : NULL;
	while (inside && (entry = readdir(inside)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && make_path(path, "%s/%s", folder, entry->d_name)) add_cgroup(t, path, depth + 1);
	if (inside) closedir(inside);
}

void list_pids(tracker *t)
{
	t->pid_count = 0;
	add_cgroup(t, t->freezer.folder, 0);
}

void add_obstacle(tracker *t, pid_t pid, const char *format, ...)
{
	va_list args;
	t->obstacles = grow(t->obstacles, &t->obstacle_room, t->obstacle_count + 1, sizeof *t->obstacles);
	obstacle *o = &t->obstacles[t->obstacle_count++];
	o->pid = pid;
	va_start(args, format);
	vsnprintf(o->reason, sizeof o->reason, format, args);
	va_end(args);
}

void lose(tracker *t, process *p, const char *format, ...)
{
	char reason[200];
	va_list args;
	if (p->lost) return;
	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	p->lost = true;
	if (p->listed) add_obstacle(t, p->pid, "%s", reason);
	for (size_t i = 0; i < p->view_count; i++) suspect(t, p->views[i].segment, "a process that maps it is not tracked any more");
	t->gone = grow(t->gone, &t->gone_room, t->gone_count + 1, sizeof *t->gone);
	t->gone[t->gone_count++] = p->owner;
}

static void close_process(process *p)
{
	const int held[] = {p->pidfd, p->userfault, p->pagemap, p->memory};
	for (size_t i = 0; i < sizeof held / sizeof *held; i++)
		if (held[i] >= 0) close(held[i]);
	free(p->areas);
	free(p->views);
	free(p->maps);
	free_smaps(&p->smaps);
	free(p);
}

void drop_lost(tracker *t)
{
	size_t kept = 0;
	for (size_t i = 0; i < t->process_count; i++) {
		if (t->processes[i]->lost) close_process(t->processes[i]);
		else t->processes[kept++] = t->processes[i];
	}
	t->process_count = kept;
}

void close_processes(tracker *t)
{
	for (size_t i = 0; i < t->process_count; i++) close_process(t->processes[i]);
	free(t->processes);
	free(t->pids);
	free(t->obstacles);
	free(t->gone);
}

static bool has_ended(const process *p)
{
	struct pollfd end = {.fd = p->pidfd, .events = POLLIN};
	return poll(&end, 1, 0) == 1;
}

// After an exec the old memory is gone, and a userfaultfd says so. The range is nobody's: the protection of nothing is taken off.
static bool has_new_memory(const process *p)
{
	struct uffd_protect nothing = {.range = {(uint64_t)1 << 30, PAGE}};
	return ioctl(p->userfault, UFFD_PROTECT_IOCTL, &nothing) && errno == ESRCH;
}

static bool is_known(const tracker *t, pid_t pid)
{
	for (size_t i = 0; i < t->process_count; i++)
		if (t->processes[i]->pid == pid && !t->processes[i]->lost) return true;
	return false;
}

static bool shares_memory(tracker *t, pid_t pid)
{
	for (size_t i = 0; i < t->process_count; i++) {
		pid_t other = t->processes[i]->pid;
		long result = t->processes[i]->lost ? 1 : syscall(SYS_kcmp, pid, other, COMPARE_MEMORY, 0, 0);
		if (result > 0 || (result < 0 && errno == ESRCH)) continue;
		if (result) add_obstacle(t, pid, "whether it shares its memory with process %d cannot be said: %s", (int)other, strerror(errno));
		else add_obstacle(t, pid, "it shares its memory with process %d", (int)other);
		return true;
	}
	return false;
}

static bool open_all(tracker *t, process *p)
{
	int depth;
	p->pidfd = (int)syscall(CALL_PIDFD_OPEN, p->pid, 0);
	char *status = read_process(p->pid, "status", NULL);
	p->owner = status ? innermost_pid(status, &depth) : 0;
	free(status);
	p->memory = open_process(p->pid, "mem", O_RDONLY);
	if (p->pidfd < 0 || !p->owner || p->memory < 0) return add_obstacle(t, p->pid, "it cannot be opened: %s", strerror(errno)), false;
	for (size_t i = 0; i < t->process_count; i++)
		if (t->processes[i]->owner == p->owner && !t->processes[i]->lost)
			return add_obstacle(t, p->pid, "it has the same innermost pid %u as process %d", p->owner, (int)t->processes[i]->pid), false;
	return true;
}

bool has_its_name_alone(const tracker *t, const process *p)
{
	int depth;
	for (size_t i = 0; i < t->pid_count; i++) {
		char *status = t->pids[i] == p->pid ? NULL : read_process(t->pids[i], "status", NULL);
		bool same = status && innermost_pid(status, &depth) == p->owner;
		free(status);
		if (same) return false;
	}
	return true;
}

static bool watch(tracker *t, process *p)
{
	injection in;
	struct uffd_api api = {UFFD_VERSION, UFFD_WP_ASYNC, 0};
	char reason[200];
	close_inherited(t, p->pid);
	if (!can_be_watched(p->pid, reason)) return add_obstacle(t, p->pid, "%s", reason), false;
	bool injected = inject_userfault(p->pid, p->pidfd, &in);
	p->userfault = in.userfault;
	if (in.stop_us > t->stop_us) t->stop_us = in.stop_us;
	if (!injected) return add_obstacle(t, p->pid, "%s", in.reason), false;
	if (!ioctl(p->userfault, UFFD_API_IOCTL, &api)) return true;
	return add_obstacle(t, p->pid, "this kernel does not write-protect asynchronously: %s", strerror(errno)), false;
}

// A process without mappings is a zombie: it has nothing to track, and criu writes nothing for it.
static bool has_memory(pid_t pid)
{
	char byte;
	int maps = open_process(pid, "maps", O_RDONLY);
	bool some = maps >= 0 && read(maps, &byte, 1) == 1;
	if (maps >= 0) close(maps);
	return some;
}

static void attach(tracker *t, pid_t pid)
{
	process *p = calloc(1, sizeof *p);
	if (!p) stop_with("attaching process %d: no memory left on this node", (int)pid);
	*p = (process){.pid = pid, .pidfd = -1, .userfault = -1, .pagemap = -1, .memory = -1, .listed = true};
	if (shares_memory(t, pid) || !open_all(t, p) || !watch(t, p)) return close_process(p);
	t->processes = grow(t->processes, &t->process_room, t->process_count + 1, sizeof *t->processes);
	t->processes[t->process_count++] = p;
}

void attach_new(tracker *t)
{
	for (size_t i = 0; i < t->process_count; i++) {
		process *p = t->processes[i];
		p->listed = false;
		if (has_ended(p) || has_new_memory(p)) lose(t, p, "it ended");
	}
	drop_lost(t);
	list_pids(t);
	for (size_t i = 0; i < t->pid_count; i++)
		if (!is_known(t, t->pids[i]) && has_memory(t->pids[i])) attach(t, t->pids[i]);
}
