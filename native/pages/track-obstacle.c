// Processes whose memory is also written to behind the page tables' back: by a device, through pages that the kernel holds.
// Such a write leaves no trace that a scan could find, so they are left to criu as a whole.
#include "track.h"
#include "track-inject.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { COMPARE_FILE = 0 };

typedef struct {
	pid_t pid;
	int folder;
	DIR *entries;
} descriptors;

static bool open_descriptors(descriptors *d, pid_t pid)
{
	*d = (descriptors){.pid = pid, .folder = open_process(pid, "fd", O_RDONLY | O_DIRECTORY)};
	int listed = d->folder < 0 ? -1 : dup(d->folder);
	d->entries = listed < 0 ? NULL : fdopendir(listed);
	return d->entries != NULL;
}

static void close_descriptors(descriptors *d)
{
	if (d->entries) closedir(d->entries);
	if (d->folder >= 0) close(d->folder);
}

// The next descriptor's number as text, and what it is.
static const char *next_descriptor(descriptors *d, char target[256])
{
	struct dirent *entry;
	while ((entry = readdir(d->entries))) {
		ssize_t n = readlinkat(d->folder, entry->d_name, target, 255);
		if (n <= 0) continue;
		target[n] = 0;
		return entry->d_name;
	}
	return NULL;
}

static bool is_direct(pid_t pid, const char *number)
{
	char name[64];
	snprintf(name, sizeof name, "fdinfo/%.20s", number);
	char *text = read_process(pid, name, NULL);
	const char *flags = text ? status_field(text, "flags") : NULL;
	bool direct = flags && (strtoul(flags, NULL, 8) & O_DIRECT);
	free(text);
	return direct;
}

bool can_be_watched(pid_t pid, char reason[200])
{
	static const char *const foreign[] = {"anon_inode:[io_uring]", "anon_inode:[userfaultfd]", "anon_inode:kvm", "/dev/infiniband/", "/dev/vfio/", "/dev/nvidia"};
	descriptors d;
	char target[256];
	const char *number;
	*reason = 0;
	if (!open_descriptors(&d, pid)) snprintf(reason, 200, "its descriptors cannot be listed");
	while (!*reason && d.entries && (number = next_descriptor(&d, target))) {
		for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
			if (!strncmp(target, foreign[i], strlen(foreign[i]))) snprintf(reason, 200, "its descriptor %.20s is %s", number, foreign[i]);
		if (*target == '/' && is_direct(pid, number)) snprintf(reason, 200, "its descriptor %.20s reads into memory directly (O_DIRECT)", number);
	}
	close_descriptors(&d);
	return !*reason;
}

static bool is_ours(const tracker *t, pid_t pid, int number)
{
	for (size_t i = 0; i < t->process_count; i++)
		if (!syscall(SYS_kcmp, pid, getpid(), COMPARE_FILE, number, t->processes[i]->userfault)) return true;
	return false;
}

void close_inherited(const tracker *t, pid_t pid)
{
	descriptors d;
	char target[256];
	const char *number;
	injection ignored;
	if (!open_descriptors(&d, pid)) return close_descriptors(&d);
	while ((number = next_descriptor(&d, target)))
		if (!strcmp(target, "anon_inode:[userfaultfd]") && is_ours(t, pid, atoi(number))) inject_close(pid, atoi(number), &ignored);
	close_descriptors(&d);
}

static void leave(tracker *t, descriptors *d, const char *number)
{
	struct stat status;
	if (fstatat(d->folder, number, &status, 0)) return suspect_all(t, "a descriptor cannot be read");
	for (size_t i = 0; i < t->segment_count; i++)
		if (t->segments[i].inode == status.st_ino) t->segments[i].left = true;
}

void leave_open_memfds(tracker *t, pid_t pid)
{
	descriptors d;
	char target[256];
	const char *number;
	if (!open_descriptors(&d, pid)) return close_descriptors(&d);
	while ((number = next_descriptor(&d, target)))
		if (!strcmp(target, "/memfd: (deleted)") || !strcmp(target, "/memfd:/dev/zero (deleted)")) leave(t, &d, number);
	close_descriptors(&d);
}
