// The calls of criu that both halves stand in, each made directly afterwards. With neither environment variable set nothing changes.
#include "preload.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TAR_WORDS = 64, TAR_SETTINGS = 512 };
extern char **environ;

static int hooked_open(int folder, const char *path, int flags, mode_t mode)
{
	if ((flags & O_ACCMODE) == O_RDONLY) {
		int other = skip_open(folder, path);
		if (other >= 0) return other;
		if (store_socket() && before_open) before_open(path);
	} else {
		before_write(path);
	}
	return real_open(folder, path, flags, mode);
}

static mode_t mode_of(int flags, va_list args)
{
	bool makes = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
	return makes ? va_arg(args, mode_t) : 0;
}

HOOK int openat(int folder, const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return hooked_open(folder, path, flags, mode);
}

HOOK int openat64(int folder, const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return hooked_open(folder, path, flags, mode);
}

HOOK ssize_t recv(int fd, void *data, size_t size, int flags)
{
	ssize_t n = syscall(SYS_recvfrom, fd, data, size, flags, NULL, NULL);
	if (n > 0 && !(flags & MSG_PEEK) && store_socket() && after_receive) after_receive(data, (size_t)n < size ? (size_t)n : size);
	return n;
}

static bool is_ours(const char *setting)
{
	return !strncmp(setting, "PODMOTION_SKIP=", 15) || !strncmp(setting, "PODMOTION_PAGES=", 16);
}

// criu packs the contents of every tmpfs with tar --gzip and unpacks them so: three programs, some 10 ms in the freeze.
// Both sides leave the compression out together. tar itself runs without these hooks: it asks for holes too.
HOOK int execvp(const char *file, char *const words[])
{
	char *plain[TAR_WORDS], *settings[TAR_SETTINGS];
	size_t count = 0, kept = 0;
	if (strcmp(file, "tar") || (!skip_folder() && !store_socket())) return execvpe(file, words, environ);
	if (handle_empty_tmpfs(words)) _exit(0);
	for (; *words && count < TAR_WORDS - 1; words++)
		if (strcmp(*words, "--gzip")) plain[count++] = *words;
	for (char **setting = environ; *setting && kept < TAR_SETTINGS - 1; setting++)
		if (!is_ours(*setting)) settings[kept++] = *setting;
	plain[count] = settings[kept] = NULL;
	if (*words) return errno = E2BIG, -1;
	return execvpe(file, plain, settings);
}
