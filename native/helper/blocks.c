// `blocks`: a file's digests, or what differs from digests that it was given; files are named by numbers, and what it found is what it compares with
// the next time. Requests on stdin, answers in order on stdout, integers of this machine:
//
//   KEY                      first, KEY_WORDS × 8 bytes
//   digests PATH             → u64 bytes of the file, then a digest for each of its blocks
//   know N BLOCKS + digests  what the other end has of file N
//   changes N PATH           → for each run that differs: u64 at, u32 length, data; then u64 bytes of the file, u32 0
#include "blocks.h"
#include "command.h"
#include "files.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 4096, WORD = 8 };
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

static int open_file(const char *path, uint64_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat is;
	if (fd < 0 || fstat(fd, &is)) return complain("blocks: %s: %s", path, strerror(errno)), -1;
	*size = (uint64_t)is.st_size;
	if (S_ISREG(is.st_mode) && *size / BLOCK < most_blocks) return fd;
	close(fd);
	return complain("blocks: %s: no plain file of up to 64 GiB", path), -1;
}

static bool scan_path(const char *path, const block_scan *scan, known_file *known, uint64_t *size)
{
	int fd = open_file(path, size);
	if (fd < 0) return false;
	bool ok = scan_blocks(scan, fd, *size, known);
	if (!ok) complain("blocks: %s: %s", path, strerror(errno));
	close(fd);
	return ok;
}

static bool tell_digests(const char *path)
{
	known_file found = {0};
	uint64_t size;
	bool ok = scan_path(path, &(block_scan){key, NULL}, &found, &size) && write_all(STDOUT_FILENO, &size, sizeof size) &&
		  write_all(STDOUT_FILENO, found.digests, found.blocks * sizeof *found.digests);
	free(found.digests);
	return ok;
}

static bool tell_changes(known_file *file, const char *path)
{
	uint64_t size;
	return scan_path(path, &(block_scan){key, answer}, file, &size) && answer(size, NULL, 0);
}

static bool learn(known_file *file, uint64_t blocks)
{
	if (blocks > most_blocks) return complain("blocks: more than 64 GiB"), false;
	digest *digests = malloc((blocks + !blocks) * sizeof *digests);
	if (!digests || fread(digests, sizeof *digests, blocks, stdin) != blocks) return complain("blocks: no digests"), free(digests), false;
	free(file->digests);
	*file = (known_file){blocks, digests};
	return true;
}

static bool obey(char *line)
{
	unsigned n;
	uint64_t blocks;
	int path = 0;
	if (sscanf(line, "digests %n%*c", &path) >= 0 && path) return tell_digests(line + path);
	if (sscanf(line, "know %u %" SCNu64, &n, &blocks) == 2 && n < FILES) return learn(&files[n], blocks);
	if (sscanf(line, "changes %u %n%*c", &n, &path) == 1 && path && n < FILES) return tell_changes(&files[n], line + path);
	return complain("blocks: not understood: %s", line), false;
}

int blocks_command(int argc, char **argv)
{
	if (fread(key, WORD, KEY_WORDS, stdin) != KEY_WORDS) return complain("blocks: no key");
	static char line[PATH_SIZE];
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!obey(line)) return 1;
	}
	return 0;
}
