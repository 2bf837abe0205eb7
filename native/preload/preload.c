// What both halves of the preload share: environment, direct system calls, the end on failure.
#include "preload.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *setting(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

const char *skip_folder(void)
{
	return setting("PODMOTION_SKIP");
}

const char *store_socket(void)
{
	return setting("PODMOTION_PAGES");
}

void give_up(const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "Error (podmotion-criu-pages): %.*s\n", length, text);
	_exit(77);
}

int real_open(int folder, const char *path, int flags, mode_t mode)
{
	return (int)syscall(SYS_openat, folder, path, flags, mode);
}

bool identify(int fd, file_identity *out)
{
	struct stat status; // of the kernel: the same layout on 64 bits
	if (syscall(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH)) return false;
	*out = (file_identity){.device = status.st_dev, .inode = status.st_ino, .size = (uint64_t)status.st_size};
	out->changed_ns = (uint64_t)status.st_ctim.tv_sec * 1000000000 + (uint64_t)status.st_ctim.tv_nsec;
	return true;
}
