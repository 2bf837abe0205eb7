// A trace instance of our own (Linux, Documentation/trace/ftrace.rst): made, filled, read and taken away again. Its folder is locked while its program
// lives, by which one that was left is known.
#include "trace.h"
#include "files.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INSTANCES "instances/"
#define OURS "podmotion-"
// Buffers of a processor, and of all: 1 MiB is some 20000 events, and they are read 50 times a second.
enum { MOST_EACH_KB = 1024, LEAST_EACH_KB = 128, MOST_KB = 32 << 10 };
enum { TEXT_LIMIT = 1 << 20 };

static int mount_tracefs(void)
{
	int system = (int)syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC);
	if (system < 0) return -1;
	int root = -1;
	if (!syscall(SYS_fsconfig, system, FSCONFIG_CMD_CREATE, NULL, NULL, 0)) root = (int)syscall(SYS_fsmount, system, FSMOUNT_CLOEXEC, 0);
	close(system);
	return root;
}

static bool put(const trace *t, const char *path, const char *text)
{
	int fd = openat(t->folder, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) return false;
	bool ok = write_all(fd, text, strlen(text));
	close(fd);
	return ok;
}

static char *get(const trace *t, const char *path)
{
	int fd = openat(t->folder, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return NULL;
	char *text = read_descriptor(fd, TEXT_LIMIT, NULL);
	close(fd);
	return text;
}

static bool make_instance(trace *t)
{
	uint64_t random;
	if (getrandom(&random, sizeof random, 0) != sizeof random) return false;
	snprintf(t->name, sizeof t->name, INSTANCES OURS "%016" PRIx64, random);
	if (mkdirat(t->tracefs, t->name, 0700)) return t->name[0] = 0, false;
	t->folder = openat(t->tracefs, t->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return t->folder >= 0 && !flock(t->folder, LOCK_EX | LOCK_NB);
}

static bool open_pipe(trace *t, unsigned number)
{
	char path[64];
	snprintf(path, sizeof path, "per_cpu/cpu%u/trace_pipe_raw", number);
	int fd = openat(t->folder, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) return false;
	struct processor *each = realloc(t->each, (t->processors + 1) * sizeof *each);
	if (!each) return close(fd), false;
	t->each = each;
	each[t->processors++] = (struct processor){number, fd};
	return true;
}

// Of all that there can be: one may be switched on meanwhile.
static bool open_pipes(trace *t)
{
	int fd = openat(t->folder, "per_cpu", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	unsigned number;
	bool ok = folder != NULL;
	for (struct dirent *entry; ok && (entry = readdir(folder));)
		if (sscanf(entry->d_name, "cpu%u", &number) == 1) ok = open_pipe(t, number);
	if (folder) closedir(folder);
	return ok && t->processors;
}

static bool set_buffers(const trace *t)
{
	char text[16];
	long size = MOST_KB / sysconf(_SC_NPROCESSORS_ONLN);
	snprintf(text, sizeof text, "%ld", size < LEAST_EACH_KB ? LEAST_EACH_KB : size > MOST_EACH_KB ? MOST_EACH_KB : size);
	return put(t, "buffer_size_kb", text);
}

static bool learn_layout(trace *t)
{
	char *text = get(t, "events/header_page");
	bool ok = text && find_page_layout(text, &t->layout) && (t->page = malloc(trace_page_size(&t->layout)));
	free(text);
	return ok;
}

const char *open_trace(trace *t)
{
	*t = (trace){.tracefs = -1, .folder = -1};
	t->tracefs = mount_tracefs();
	if (t->tracefs < 0) return "the kernel has no tracefs";
	if (!make_instance(t)) return "no trace instance can be made";
	// Names of processes are not wanted, and cost something at each switch between them.
	put(t, "options/record-cmd", "0");
	if (!set_buffers(t)) return "the kernel has no memory for trace buffers";
	if (!learn_layout(t)) return "the layout of trace buffers is not understood";
	return open_pipes(t) ? NULL : "the trace buffers cannot be read";
}

const char *record_event(trace *t, const char *event, const char *filter, char **format)
{
	char path[128];
	snprintf(path, sizeof path, "events/%s/format", event);
	*format = get(t, path);
	if (!*format) return "the kernel lacks an event";
	snprintf(path, sizeof path, "events/%s/filter", event);
	if (!put(t, path, filter)) return "the kernel does not take a filter";
	snprintf(path, sizeof path, "events/%s/enable", event);
	return put(t, path, "1") ? NULL : "an event cannot be enabled";
}

// By the kernel's own account: a page tells only of losses before it.
static bool has_lost(const trace *t, unsigned processor)
{
	static const char *const counts[] = {"overrun: ", "commit overrun: ", "dropped events: "};
	char path[64];
	snprintf(path, sizeof path, "per_cpu/cpu%u/stats", processor);
	char *text = get(t, path);
	bool lost = !text;
	for (size_t i = 0; !lost && i < sizeof counts / sizeof *counts; i++) {
		const char *count = strstr(text, counts[i]);
		lost = !count || strtoul(count + strlen(counts[i]), NULL, 10);
	}
	free(text);
	return lost;
}

static bool read_pipe(trace *t, int fd, trace_visitor *visit, void *context)
{
	size_t size = trace_page_size(&t->layout);
	// Who writes faster than this reads does not hold it up: what was there at the start is in the first of them.
	for (size_t left = 2 * ((size_t)MOST_EACH_KB << 10); left >= size; left -= size) {
		ssize_t n = read(fd, t->page, size);
		// Nothing more is EAGAIN, or of a processor that is off ENODEV; 0 may only be a moment's.
		if (n < 0) return errno == EAGAIN || errno == ENODEV;
		if (!n) continue;
		memset(t->page + n, 0, size - (size_t)n);
		if (!walk_trace_page(&t->layout, t->page, visit, context)) return false;
	}
	return true;
}

bool read_trace(trace *t, trace_visitor *visit, void *context)
{
	for (size_t i = 0; i < t->processors; i++)
		if (!read_pipe(t, t->each[i].pipe, visit, context)) return false;
	return true;
}

bool lost_events(const trace *t)
{
	for (size_t i = 0; i < t->processors; i++)
		if (has_lost(t, t->each[i].number)) return true;
	return false;
}

// Refused as long as one of its files is open.
static bool remove_instance(int tracefs, const char *name)
{
	return !unlinkat(tracefs, name, AT_REMOVEDIR) || errno == ENOENT;
}

void close_trace(trace *t)
{
	for (size_t i = 0; i < t->processors; i++) close(t->each[i].pipe);
	if (t->folder >= 0) close(t->folder);
	if (t->name[0]) remove_instance(t->tracefs, t->name);
	if (t->tracefs >= 0) close(t->tracefs);
	free(t->each);
	free(t->page);
	*t = (trace){.tracefs = -1, .folder = -1};
}

// Young ones are locked a moment after they were made; who loses that race goes without.
static bool is_left(int instances, const char *name)
{
	int fd = openat(instances, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool left = fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB);
	if (fd >= 0) close(fd);
	return left;
}

bool sweep_traces(bool remove, void (*found)(const char *name))
{
	int tracefs = mount_tracefs();
	if (tracefs < 0) return true; // then there is nothing
	int fd = openat(tracefs, INSTANCES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *instances = fd < 0 ? NULL : fdopendir(fd);
	bool ok = instances != NULL;
	for (struct dirent *entry; instances && (entry = readdir(instances));) {
		if (strncmp(entry->d_name, OURS, strlen(OURS)) || !is_left(fd, entry->d_name)) continue;
		found(entry->d_name);
		if (remove && !remove_instance(fd, entry->d_name)) ok = false;
	}
	if (instances) closedir(instances);
	close(tracefs);
	return ok;
}
