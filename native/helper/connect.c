// `connect SOCKET TOKEN`: rsync's remote shell. Names itself by the token line, then carries bytes both ways.
#include "command.h"
#include "files.h"
#include "lines.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 256 << 10 };

// Until the end of FROM, which is then passed on as a half-close.
static bool carry(int from, int to)
{
	static char chunk[CHUNK];
	for (;;) {
		ssize_t n = read(from, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) {
			shutdown(to, SHUT_WR); // ENOTSOCK for a pipe: that one ends with us
			return n == 0 || errno == ECONNRESET;
		}
		if (!write_all(to, chunk, (size_t)n)) return false;
	}
}

// rsync leaves its remote shell's output non-blocking. A reader that is slower than the other end, as with the checksums of large files, is waited
// for.
static bool wait_for_reader(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return flags >= 0 && (!(flags & O_NONBLOCK) || !fcntl(fd, F_SETFL, flags & ~O_NONBLOCK));
}

// Two processes, so that a full buffer one way never stops the other: both ends may be writing at once.
static int shuttle(int socket)
{
	if (!wait_for_reader(STDOUT_FILENO)) return complain("connect: its output: %s", strerror(errno));
	pid_t up = fork();
	if (up < 0) return complain("connect: fork: %s", strerror(errno));
	if (up == 0) _exit(!carry(STDIN_FILENO, socket));
	bool ok = carry(socket, STDOUT_FILENO);
	int error = errno;
	// The other end has closed: what stdin still brings has no reader.
	kill(up, SIGKILL);
	waitpid(up, NULL, 0);
	return ok ? 0 : complain("connect: from the socket: %s", strerror(error));
}

static bool send_line(int socket, char **words, int count)
{
	char line[LINE_SIZE];
	size_t used = 0;
	for (int i = 0; i < count; i++) {
		int n = snprintf(line + used, sizeof line - used, "%s%s", i ? " " : "", words[i]);
		if (n < 0 || (size_t)n >= sizeof line - used || strchr(words[i], '\n')) return errno = EINVAL, false;
		used += (size_t)n;
	}
	line[used++] = '\n';
	return write_all(socket, line, used);
}

int connect_command(int argc, char **argv)
{
	bool pass = argc > 0 && !strcmp(argv[0], "--args");
	argc -= pass, argv += pass;
	if (argc < 2) return complain("connect: expected [--args] SOCKET TOKEN [ARGS...]");
	int socket = connect_unix(argv[0]);
	if (socket < 0) return complain("connect: %s: %s", argv[0], strerror(errno));
	if (!send_line(socket, argv + 1, 1) || (pass && !send_line(socket, argv + 2, argc - 2)))
		return complain("connect: sending the first line: %s", strerror(errno));
	return shuttle(socket);
}
