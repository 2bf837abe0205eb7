// `connect SOCKET TOKEN`: rsync's remote shell. Names itself by the token line, then carries bytes both ways.
#include "command.h"
#include "lines.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 256 << 10 };

typedef struct {
	int from, to;
	bool open;
} direction;

static bool write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

// The end of one direction is passed on and leaves the other open.
static void end_direction(direction *d)
{
	d->open = false;
	if (shutdown(d->to, SHUT_WR) && errno == ENOTSOCK) close(d->to);
}

static bool carry(direction *d)
{
	static char chunk[CHUNK];
	ssize_t n = read(d->from, chunk, sizeof chunk);
	if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
	if (n < 0 && errno != ECONNRESET) return false;
	if (n <= 0) return end_direction(d), true;
	return write_all(d->to, chunk, (size_t)n);
}

// Both blocking: rsync's own protocol never needs one side read to let the other be written
// beyond what the socket buffers hold, because each rsync reads while it writes.
static int shuttle(int socket)
{
	direction up = {STDIN_FILENO, socket, true}, down = {socket, STDOUT_FILENO, true};
	while (down.open) {
		struct pollfd fds[2] = {{up.open ? up.from : -1, POLLIN, 0}, {down.from, POLLIN, 0}};
		if (poll(fds, 2, -1) < 0 && errno != EINTR) return complain("connect: poll: %s", strerror(errno));
		if (fds[1].revents && !carry(&down)) return complain("connect: from the socket: %s", strerror(errno));
		if (fds[0].revents && !carry(&up)) return complain("connect: to the socket: %s", strerror(errno));
	}
	return 0;
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
