// `data FILE...`: where each file has data and not holes; of a shared memory object, which pages criu will dump.
#include "command.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The kernel answers by pages, without making any.
static int print_ranges(int fd)
{
	off_t at = 0, end;
	const char *comma = "";
	putchar('[');
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && (end = lseek(fd, at, SEEK_HOLE)) > at) {
		printf("%s[%lld,%lld]", comma, (long long)at, (long long)end);
		comma = ",";
		at = end;
	}
	putchar(']');
	// ENXIO is how the last hole ends.
	return at < 0 && errno != ENXIO ? errno : 0;
}

int data_command(int argc, char **argv)
{
	if (argc < 1) return complain("data: expected FILE...");
	fputs("{\"data\":[", stdout);
	for (int i = 0; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
		if (i) putchar(',');
		// A process that ended took its mapping along; that is no error.
		int error = fd < 0 ? errno : print_ranges(fd);
		if (fd < 0 && error == ENOENT) fputs("[]", stdout), error = 0;
		if (fd >= 0) close(fd);
		if (error) return complain("data: %s: %s", argv[i], strerror(error));
	}
	puts("]}");
	return 0;
}
