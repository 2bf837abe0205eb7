// The dump half: criu writes no contents of memory that the tracker has sent ahead.
// What criu 4.2 asks the kernel, and where it is answered here:
//   ioctl PAGEMAP_SCAN over a mapping, for pages that are present or swapped: nothing is found in ranges listed in SKIP/<pid>;
//   lseek SEEK_DATA and SEEK_HOLE in a shared segment: one listed as SKIP/shm-<inode> is one hole;
//   open of /proc/<pid>/smaps: SKIP/<pid>.smaps, when it is there;
// A pid, range or segment that is not listed is dumped as ever.
#include "preload.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_SCAN_IOCTL 0xc0606610ul
enum { PRESENT_OR_SWAPPED = 1 << 3 | 1 << 4, NAME_SIZE = 4096 };

struct page_scan {
	uint64_t size, flags, start, end, walk_end, regions, region_count, page_limit, inverted, all, any, report;
};

// The list of one process; criu handles one after the other.
static struct {
	long pid;
	uint64_t *pairs;
	size_t count;
} list;

static int open_listed(const char *format, ...)
{
	char name[64], path[NAME_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(name, sizeof name, format, args);
	va_end(args);
	int length = snprintf(path, sizeof path, "%s/%s", skip_folder(), name);
	if (length < 0 || length >= NAME_SIZE) give_up("PODMOTION_SKIP is too long");
	int fd = real_open(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0 && errno != ENOENT) give_up("opening %s: %s", path, strerror(errno));
	return fd;
}

static char *read_all(int fd)
{
	size_t used = 0, room = 1 << 16;
	char *text = malloc(room + 1);
	for (;;) {
		if (!text) give_up("reading a list: no memory left");
		ssize_t n = read(fd, text + used, room - used);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) give_up("reading a list: %s", strerror(errno));
		used += (size_t)n;
		text[used] = 0;
		if (!n) return text;
		if (used == room) text = realloc(text, (room *= 2) + 1);
	}
}

// Own digits: strtoull's name changes with the libc that this is built against.
static const char *take_hex(const char *at, uint64_t *out)
{
	const char *start = at;
	uint64_t value = 0;
	for (;; at++) {
		int digit = *at >= '0' && *at <= '9' ? *at - '0' : *at >= 'a' && *at <= 'f' ? *at - 'a' + 10 : -1;
		if (digit < 0) break;
		if (value >> 60) return NULL;
		value = value << 4 | (uint64_t)digit;
	}
	*out = value;
	return at == start ? NULL : at;
}

static void add_pair(uint64_t start, uint64_t end)
{
	list.pairs = realloc(list.pairs, (list.count + 1) * 2 * sizeof *list.pairs);
	if (!list.pairs) give_up("reading the list of process %ld: no memory left", list.pid);
	list.pairs[2 * list.count] = start;
	list.pairs[2 * list.count + 1] = end;
	list.count++;
}

// Half a list would be a lie in neither direction, but one that cannot be read is a fault of ours: it must not go unnoticed.
static void load_list(long pid)
{
	list.pid = pid;
	list.count = 0;
	int fd = open_listed("%ld", pid);
	if (fd < 0) return;
	char *text = read_all(fd);
	close(fd);
	for (const char *at = text; *at;) {
		uint64_t start, end;
		at = take_hex(at, &start);
		at = at && *at == ' ' ? take_hex(at + 1, &end) : NULL;
		if (!at || *at++ != '\n' || end <= start) give_up("the list of process %ld cannot be read", pid);
		add_pair(start, end);
	}
	free(text);
}

static long take_number(const char **at)
{
	long value = 0;
	if (**at < '1' || **at > '9') return 0;
	for (; **at >= '0' && **at <= '9' && value < 1l << 40; ++*at) value = value * 10 + (**at - '0');
	return value;
}

// The process of "…/PID/NAME": the path ends in NAME and the folder before it is a number.
static long process_of(const char *path, const char *name)
{
	size_t length = strlen(path), tail = strlen(name);
	if (length < tail + 2 || strcmp(path + length - tail, name) || path[length - tail - 1] != '/') return 0;
	const char *stop = path + length - tail - 1, *at = stop;
	while (at > path && at[-1] >= '0' && at[-1] <= '9') at--;
	long pid = take_number(&at);
	return at == stop ? pid : 0;
}

static bool path_of(int fd, char path[NAME_SIZE])
{
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, NAME_SIZE - 1);
	path[n < 0 ? 0 : n] = 0;
	return n > 0;
}

// criu opens "smaps" in a descriptor of /proc/PID, or by its path.
int skip_open(int folder, const char *path)
{
	char whole[NAME_SIZE * 2], base[NAME_SIZE];
	size_t length = strlen(path);
	if (!skip_folder() || length < 5 || strcmp(path + length - 5, "smaps")) return -1;
	bool relative = folder != AT_FDCWD && *path != '/' && path_of(folder, base);
	snprintf(whole, sizeof whole, "%s%s%s", relative ? base : "", relative ? "/" : "", path);
	long pid = process_of(whole, "smaps");
	return pid ? open_listed("%ld.smaps", pid) : -1;
}

static bool is_same(const file_identity *one, const file_identity *other)
{
	return one->device == other->device && one->inode == other->inode && one->changed_ns == other->changed_ns;
}

// The process of an open pagemap; 0: it is none. criu asks hundreds of times for one, and a look at the file is a tenth of reading its link. Not by the
// descriptor's number, which another file gets without our seeing it (dup2, a close inside libc). A process's file in /proc has an inode of its own as
// long as anyone holds it, and a change time that is the inode's beginning: its number could come again after 2^32 others, both together cannot.
static long process_of_pagemap(int fd)
{
	static file_identity last;
	static long last_pid;
	file_identity file;
	char path[NAME_SIZE];
	if (!identify(fd, &file)) return 0;
	if (last_pid && is_same(&file, &last)) return last_pid;
	last = file;
	return last_pid = path_of(fd, path) ? process_of(path, "pagemap") : 0;
}

static long real_ioctl(int fd, unsigned long request, void *argument)
{
	return syscall(SYS_ioctl, fd, request, argument);
}

// Nothing is found in a listed range: the walk goes on behind it. Before one it ends at its start, and criu asks again from there.
static int scan_between(int fd, struct page_scan *scan)
{
	uint64_t end = scan->end;
	for (size_t i = 0; i < list.count; i++) {
		uint64_t from = list.pairs[2 * i], to = list.pairs[2 * i + 1];
		if (to <= scan->start || from >= end) continue;
		if (from <= scan->start) {
			scan->walk_end = to < end ? to : end;
			return 0;
		}
		scan->end = from;
		int found = (int)real_ioctl(fd, PAGE_SCAN_IOCTL, scan);
		scan->end = end;
		return found;
	}
	return (int)real_ioctl(fd, PAGE_SCAN_IOCTL, scan);
}

HOOK int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	va_start(args, request);
	void *argument = va_arg(args, void *);
	va_end(args);
	struct page_scan *scan = argument;
	bool asks = skip_folder() && request == PAGE_SCAN_IOCTL && scan->any == PRESENT_OR_SWAPPED && !scan->flags;
	long pid = asks ? process_of_pagemap(fd) : 0;
	if (!pid) return (int)real_ioctl(fd, request, argument);
	if (pid != list.pid) load_list(pid);
	return scan_between(fd, scan);
}

// The file holds the device's number: another file system may use the same inode number.
static bool is_skipped_segment(int fd)
{
	file_identity file;
	uint64_t device;
	if (!identify(fd, &file)) return false;
	int listed = open_listed("shm-%llu", (unsigned long long)file.inode);
	if (listed < 0) return false;
	char *text = read_all(listed);
	close(listed);
	const char *end = take_hex(text, &device);
	if (!end || *end != '\n') give_up("the note of segment %llu cannot be read", (unsigned long long)file.inode);
	free(text);
	return device == file.device;
}

HOOK off_t lseek(int fd, off_t offset, int whence)
{
	if ((whence == SEEK_DATA || whence == SEEK_HOLE) && skip_folder() && is_skipped_segment(fd)) return errno = ENXIO, -1;
	return syscall(SYS_lseek, fd, offset, whence);
}

HOOK off64_t lseek64(int fd, off64_t offset, int whence)
{
	return lseek(fd, offset, whence);
}
