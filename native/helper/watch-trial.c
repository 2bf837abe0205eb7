// Tries out whether the kernel tells what it should of a file system, on a file of our own there: a kernel may have an event and go another way, and no
// version number tells.
#include "watch-trial.h"
#include "digest.h"
#include "files.h"
#include "stale.h"
#include "write-events.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { BLOCKS = 16, SIZE = BLOCKS * BLOCK, AT = 3, COUNT = 2, MINOR_BITS = 20 };

static char content[COUNT * BLOCK] __attribute__((aligned(BLOCK)));

static bool write_at(int fd)
{
	return pwrite(fd, content, sizeof content, AT * BLOCK) == sizeof content;
}

// One that takes no direct I/O has none to tell of.
static bool write_directly(int fd)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (direct < 0) return write_at(fd);
	bool ok = write_at(direct);
	close(direct);
	return ok;
}

static bool write_mapped(int fd)
{
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) return false;
	memory[AT * BLOCK]++;
	return !munmap(memory, SIZE);
}

// The same in two steps: it is read first, and then no event comes for the store.
static bool read_and_write_mapped(int fd)
{
	volatile char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) return false;
	char was = memory[AT * BLOCK];
	memory[AT * BLOCK] = (char)(was + 1);
	return !munmap((void *)memory, SIZE);
}

static bool punch(int fd)
{
	if (!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, AT * BLOCK, COUNT * BLOCK)) return true;
	return errno == EOPNOTSUPP && write_at(fd);
}

static bool zero(int fd)
{
	if (!fallocate(fd, FALLOC_FL_ZERO_RANGE, AT * BLOCK, COUNT * BLOCK)) return true;
	return errno == EOPNOTSUPP && write_at(fd);
}

static bool cut(int fd)
{
	return !ftruncate(fd, AT * BLOCK) && !ftruncate(fd, SIZE);
}

static const struct {
	bool (*change)(int fd);
	const char *untold;
} trials[] = {
	{write_at, "the kernel does not tell of writes"},
	{write_directly, "the kernel does not tell of direct writes"},
	{write_mapped, "the kernel does not tell of stores to mapped memory"},
	{read_and_write_mapped, "the kernel does not tell of reads of mapped memory"},
	{punch, "the kernel does not tell of holes"},
	{zero, "the kernel does not tell of zeroed ranges"},
	{cut, "the kernel does not tell of truncation"},
};

int make_trial_file(const char *folder, uint64_t *device)
{
	char path[PATH_SIZE];
	struct stat inside, beside;
	// Not in it: a pod may watch its folder.
	if (!make_path(path, "%s/..", folder) || stat(folder, &inside)) return -1;
	int fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) return -1;
	*device = (uint64_t)inside.st_dev;
	if (!fstat(fd, &beside) && beside.st_dev == inside.st_dev && !ftruncate(fd, SIZE)) return fd;
	close(fd);
	return -1;
}

uint64_t trace_device(uint64_t device)
{
	return (uint64_t)major(device) << MINOR_BITS | minor(device);
}

static uint64_t trial_inode;

static bool begin_trial(int fd)
{
	struct stat is;
	if (fstat(fd, &is)) return false;
	trial_inode = is.st_ino;
	watch_inode(TRIAL_FILE, trace_device(is.st_dev), trial_inode);
	free_stale(take_stale(TRIAL_FILE, trial_inode, SIZE));
	return true;
}

static bool is_told(void)
{
	stale found = take_stale(TRIAL_FILE, trial_inode, SIZE);
	bool told = true;
	for (size_t i = AT; i < AT + COUNT; i++) told = told && is_stale(&found, i);
	free_stale(found);
	return told;
}

const char *try_events(trace *t, int fd)
{
	for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
		// On contents that are there.
		if (!write_at(fd) || !read_trace(t, note_write, NULL) || !begin_trial(fd)) return "a file of our own cannot be written";
		if (!trials[i].change(fd) || !read_trace(t, note_write, NULL) || !is_told()) return trials[i].untold;
	}
	return NULL;
}

// By a read of memory: it waits for no journal, and for no disk that is busy.
bool begin_pulse(int fd)
{
	static char *memory = MAP_FAILED;
	if (memory == MAP_FAILED) memory = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED || !begin_trial(fd) || madvise(memory, SIZE, MADV_DONTNEED)) return false;
	return *(volatile char *)memory | true;
}

bool end_pulse(void)
{
	return is_told();
}
