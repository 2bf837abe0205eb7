// Small file operations that every program needs: read, write atomically, find, make.
#include "files.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool make_path(char out[PATH_SIZE], const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(out, PATH_SIZE, format, args);
	va_end(args);
	if (n >= 0 && n < PATH_SIZE) return true;
	errno = ENAMETOOLONG;
	return false;
}

const char *env_or(const char *name, const char *fallback)
{
	const char *value = getenv(name);
	return value && *value ? value : fallback;
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

char *read_descriptor(int fd, size_t limit, size_t *length)
{
	size_t used = 0, size = 4096;
	char *text = malloc(size + 1);
	for (;;) {
		if (!text) return NULL;
		ssize_t n = read(fd, text + used, size - used);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) break;
		used += (size_t)n;
		if (n == 0) {
			text[used] = 0;
			if (length) *length = used;
			return text;
		}
		if (used > limit) {
			errno = EFBIG;
			break;
		}
		if (used < size) continue;
		char *more = realloc(text, 2 * size + 1);
		if (!more) break;
		text = more;
		size *= 2;
	}
	free(text);
	return NULL;
}

char *read_file(const char *path, size_t limit, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return NULL;
	char *text = read_descriptor(fd, limit, length);
	int saved = errno;
	close(fd);
	errno = saved;
	return text;
}

bool first_line(const char *path, char *out, size_t size)
{
	char *text = read_file(path, 1 << 20, NULL);
	if (!text) return false;
	text[strcspn(text, "\r\n")] = 0;
	bool fits = strlen(text) < size;
	if (fits) strcpy(out, text);
	free(text);
	return fits && *out;
}

bool write_all(int fd, const void *data, size_t size)
{
	for (const char *at = data; size;) {
		ssize_t n = write(fd, at, size);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) return false;
		at += n;
		size -= (size_t)n;
	}
	return true;
}

static bool sync_directory_of(const char *path)
{
	char directory[PATH_SIZE];
	if (!make_path(directory, "%s", path)) return false;
	char *slash = strrchr(directory, '/');
	if (!slash) strcpy(directory, ".");
	else slash[slash == directory ? 1 : 0] = 0;
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) return false;
	bool ok = fsync(fd) == 0;
	close(fd);
	return ok;
}

static bool replace(const char *path, const char *text, bool durable)
{
	char temporary[PATH_SIZE];
	if (!make_path(temporary, "%s.%d.tmp", path, (int)getpid())) return false;
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) return false;
	bool ok = write_all(fd, text, strlen(text)) && (!durable || fsync(fd) == 0);
	ok = close(fd) == 0 && ok;
	ok = ok && rename(temporary, path) == 0;
	if (!ok) unlink(temporary);
	return ok && (!durable || sync_directory_of(path));
}

bool write_atomically(const char *path, const char *text)
{
	return replace(path, text, false);
}

bool write_durably(const char *path, const char *text)
{
	return replace(path, text, true);
}

bool poke(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) return false;
	bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int saved = errno;
	close(fd);
	errno = saved;
	return ok;
}

bool make_directories(const char *path, unsigned mode)
{
	char part[PATH_SIZE];
	if (!make_path(part, "%s", path)) return false;
	for (char *p = part + 1; *p; p++) {
		if (*p != '/') continue;
		*p = 0;
		if (mkdir(part, mode) && errno != EEXIST) return false;
		*p = '/';
	}
	return mkdir(part, mode) == 0 || errno == EEXIST;
}
