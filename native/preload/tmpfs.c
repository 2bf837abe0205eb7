// An empty tmpfs, packed and unpacked without starting tar, as criu asks for it: `tar --create … .` with the folder as standard input
// and the image as output, `tar --extract … --directory FOLDER` with the image as input. A container has several of them (they mask
// parts of /proc and /sys), and each start costs milliseconds in the freeze. The image is a real archive: another tar can read it.
#include "preload.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ARCHIVE = 10240, ID_LIMIT = 1 << 21, FOLDER_TYPE = '5' };

// ustar: fields are octal texts.
typedef struct {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100], magic[8], rest[247];
	char padding[ARCHIVE - 512];
} archive;

static bool has_word(char *const words[], const char *word)
{
	for (; *words; words++)
		if (!strcmp(*words, word)) return true;
	return false;
}

static const char *word_after(char *const words[], const char *word)
{
	for (; *words; words++)
		if (!strcmp(*words, word)) return words[1];
	return NULL;
}

static bool look(int folder, const char *path, int flags, struct stat *out)
{
	return !syscall(SYS_newfstatat, folder, path, out, flags);
}

static bool is_empty(int folder)
{
	struct {
		uint64_t inode, next;
		uint16_t length;
		uint8_t type;
		char name[];
	} *entry;
	_Alignas(8) char buffer[4096];
	long size;
	int fd = real_open(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	bool empty = fd >= 0;
	while (empty && (size = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) != 0) {
		if (size < 0) empty = false;
		for (long at = 0; empty && at < size; at += entry->length) {
			entry = (void *)(buffer + at);
			empty = !strcmp(entry->name, ".") || !strcmp(entry->name, "..");
		}
	}
	if (fd >= 0) close(fd);
	return empty;
}

static void put_sum(archive *a)
{
	unsigned sum = 0;
	memset(a->sum, ' ', sizeof a->sum);
	for (size_t i = 0; i < 512; i++) sum += ((unsigned char *)a)[i];
	snprintf(a->sum, sizeof a->sum, "%06o", sum);
}

static void describe(archive *a, unsigned mode, unsigned uid, unsigned gid, unsigned long long mtime)
{
	memset(a, 0, sizeof *a);
	strcpy(a->name, "./");
	snprintf(a->mode, sizeof a->mode, "%07o", mode & 07777);
	snprintf(a->uid, sizeof a->uid, "%07o", uid);
	snprintf(a->gid, sizeof a->gid, "%07o", gid);
	snprintf(a->size, sizeof a->size, "%011o", 0u);
	snprintf(a->mtime, sizeof a->mtime, "%011llo", mtime);
	a->type = FOLDER_TYPE;
	memcpy(a->magic, "ustar\00000", sizeof a->magic);
	put_sum(a);
}

static bool pack(void)
{
	struct stat folder;
	archive a;
	if (!look(STDIN_FILENO, "", AT_EMPTY_PATH, &folder) || !S_ISDIR(folder.st_mode) || !is_empty(STDIN_FILENO)) return false;
	if (folder.st_uid >= ID_LIMIT || folder.st_gid >= ID_LIMIT || folder.st_mtime < 0 || folder.st_mtime >> 33) return false;
	describe(&a, folder.st_mode, folder.st_uid, folder.st_gid, (unsigned long long)folder.st_mtime);
	if (write(STDOUT_FILENO, &a, sizeof a) == sizeof a) return true;
	give_up("packing an empty tmpfs: %s", strerror(errno));
}

// Only what was written by `pack`: anything else is tar's.
static bool read_packed(archive *a)
{
	struct stat image;
	archive again;
	if (!look(STDIN_FILENO, "", AT_EMPTY_PATH, &image) || !S_ISREG(image.st_mode) || image.st_size != sizeof *a) return false;
	if (syscall(SYS_pread64, STDIN_FILENO, a, sizeof *a, 0) != sizeof *a || a->name[99] || a->mode[7] || a->uid[7] || a->gid[7] || a->mtime[11]) return false;
	describe(&again, (unsigned)strtol(a->mode, NULL, 8), (unsigned)strtol(a->uid, NULL, 8), (unsigned)strtol(a->gid, NULL, 8), (unsigned long long)strtol(a->mtime, NULL, 8));
	return !memcmp(a, &again, sizeof again);
}

static bool unpack(const char *folder)
{
	archive a;
	struct stat found;
	if (!folder || !read_packed(&a) || !look(AT_FDCWD, folder, AT_SYMLINK_NOFOLLOW, &found) || !S_ISDIR(found.st_mode)) return false;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = strtol(a.mtime, NULL, 8)}};
	if (!chown(folder, (uid_t)strtol(a.uid, NULL, 8), (gid_t)strtol(a.gid, NULL, 8)) && !chmod(folder, (mode_t)strtol(a.mode, NULL, 8)) && !utimensat(AT_FDCWD, folder, times, 0)) return true;
	give_up("unpacking an empty tmpfs into %s: %s", folder, strerror(errno));
}

bool handle_empty_tmpfs(char *const words[])
{
	if (has_word(words, "--create")) return pack();
	return has_word(words, "--extract") && unpack(word_after(words, "--directory"));
}
