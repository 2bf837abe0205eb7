// `blocks`: a file's digests, or what differs from digests that it was given; files are named by numbers, and what it found is what it compares with
// the next time. Requests on stdin, answers in order on stdout, integers of this machine:
//
//   KEY                      first, KEY_WORDS × 8 bytes
//   digests PATH             → u64 bytes of the file, then a digest for each of its blocks
//   know N BLOCKS + digests  what the other end has of file N
//   changes N PATH           → for each run that differs: u64 at, u32 length, data; then u64 bytes of the file, u32 0
//   watch-in FOLDER          once: from then on files of its file system can be watched → u32 length, why not
//   watch N PATH             file N, by the path where the file system itself has it → u32 length, why not
//   gather                   `changes` after it look, of a watched file, only at what was written before it and since the last one
//   written N PATH           → u64, how many bytes `changes` would look at, all ones: everything. Of a file of which nothing is known: it counts as looked
//                            at afterwards
#include "blocks.h"
#include "command.h"
#include "files.h"
#include "watch.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORD = 8 };
// 64 GiB a file.
static const uint64_t most_blocks = (64ull << 30) / BLOCK;

static uint64_t key[KEY_WORDS];
static known_file files[FILES];

static bool answer(uint64_t at, const void *data, uint32_t length)
{
	char head[sizeof at + sizeof length];
	memcpy(head, &at, sizeof at);
	memcpy(head + sizeof at, &length, sizeof length);
	return write_all(STDOUT_FILENO, head, sizeof head) && write_all(STDOUT_FILENO, data, length);
}

static int open_file(const char *path, uint64_t *size, uint64_t *inode)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat is;
	if (fd < 0 || fstat(fd, &is)) return complain("blocks: %s: %s", path, strerror(errno)), -1;
	*size = (uint64_t)is.st_size;
	*inode = is.st_ino;
	if (S_ISREG(is.st_mode) && *size / BLOCK < most_blocks) return fd;
	close(fd);
	return complain("blocks: %s: no plain file of up to 64 GiB", path), -1;
}

static bool scan_path(const char *path, block_scan *scan, known_file *known, uint64_t *size)
{
	uint64_t inode;
	int fd = open_file(path, size, &inode);
	if (fd < 0) return false;
	if (scan->changed) scan->stale = stale_now((unsigned)(known - files), inode, *size);
	bool ok = scan_blocks(scan, fd, *size, known);
	if (!ok) complain("blocks: %s: %s", path, strerror(errno));
	free_stale(scan->stale);
	close(fd);
	return ok;
}

static bool tell_digests(const char *path)
{
	known_file found = {0};
	uint64_t size;
	bool ok = scan_path(path, &(block_scan){.key = key}, &found, &size) && write_all(STDOUT_FILENO, &size, sizeof size) &&
		  write_all(STDOUT_FILENO, found.digests, found.blocks * sizeof *found.digests);
	free(found.digests);
	return ok;
}

static bool tell_changes(known_file *file, const char *path)
{
	uint64_t size;
	return scan_path(path, &(block_scan){.key = key, .changed = answer}, file, &size) && answer(size, NULL, 0);
}

static bool tell_written(unsigned n, const char *path)
{
	uint64_t size, inode, bytes = 0;
	if (files[n].digests) return complain("blocks: file %u is compared, so its writes are not only counted", n), false;
	int fd = open_file(path, &size, &inode);
	if (fd < 0) return false;
	close(fd);
	stale written = stale_now(n, inode, size);
	size_t blocks = (size + BLOCK - 1) / BLOCK;
	for (size_t i = next_stale(&written, 0, blocks); i < blocks; i = next_stale(&written, i + 1, blocks)) bytes += BLOCK;
	if (!written.bits) bytes = UINT64_MAX;
	free_stale(written);
	return write_all(STDOUT_FILENO, &bytes, sizeof bytes);
}

static bool tell_reason(const char *reason)
{
	uint32_t length = reason ? (uint32_t)strlen(reason) : 0;
	return write_all(STDOUT_FILENO, &length, sizeof length) && write_all(STDOUT_FILENO, reason, length);
}

static bool watch(unsigned n, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = tell_reason(fd < 0 ? strerror(errno) : watch_file(n, fd));
	if (fd >= 0) close(fd);
	return ok;
}

static bool learn(known_file *file, uint64_t blocks)
{
	if (blocks > most_blocks) return complain("blocks: more than 64 GiB"), false;
	digest *digests = malloc((blocks + !blocks) * sizeof *digests);
	if (!digests || fread(digests, sizeof *digests, blocks, stdin) != blocks) return complain("blocks: no digests"), free(digests), false;
	free(file->digests);
	*file = (known_file){blocks, digests, 0};
	return true;
}

// What follows the word, if it is this one.
static const char *after(const char *line, const char *word)
{
	size_t length = strlen(word);
	return !strncmp(line, word, length) && line[length] == ' ' && line[length + 1] ? line + length + 1 : NULL;
}

// What follows the word and the number of a file.
static const char *after_file(const char *line, const char *word, unsigned *n)
{
	int path = 0;
	const char *rest = after(line, word);
	bool found = rest && sscanf(rest, "%u %n", n, &path) == 1 && path && rest[path] && *n < FILES;
	return found ? rest + path : NULL;
}

static bool obey(const char *line)
{
	unsigned n;
	uint64_t blocks;
	const char *rest;
	if ((rest = after(line, "digests"))) return tell_digests(rest);
	if ((rest = after_file(line, "know", &n)) && sscanf(rest, "%" SCNu64, &blocks) == 1) return learn(&files[n], blocks);
	if ((rest = after_file(line, "changes", &n))) return tell_changes(&files[n], rest);
	if ((rest = after_file(line, "written", &n))) return tell_written(n, rest);
	if ((rest = after(line, "watch-in"))) return tell_reason(start_watching(rest));
	if ((rest = after_file(line, "watch", &n))) return watch(n, rest);
	if (!strcmp(line, "gather")) return gather_writes(), true;
	return complain("blocks: not understood: %s", line), false;
}

int blocks_command(int argc, char **argv)
{
	if (fread(key, WORD, KEY_WORDS, stdin) != KEY_WORDS) return complain("blocks: no key");
	static char line[PATH_SIZE];
	bool ok = true;
	while (ok && fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		ok = obey(line);
	}
	end_watching();
	return !ok;
}
