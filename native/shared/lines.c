// Line protocols over unix stream sockets: listening, connecting, and one peer's input buffer.
#include "lines.h"
#include "files.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// A pod's and a container's name together can be longer than sun_path (108 bytes):
// the folder is opened and the socket named through /proc/self/fd.
static bool address_of(struct sockaddr_un *address, const char *path, int *directory)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	*directory = -1;
	if (strlen(path) < sizeof address->sun_path) return strcpy(address->sun_path, path), true;
	const char *slash = strrchr(path, '/');
	char folder[PATH_SIZE];
	if (!slash || !make_path(folder, "%.*s", (int)(slash - path), path)) return false;
	*directory = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*directory < 0) return false;
	int n = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", *directory, slash + 1);
	return n < (int)sizeof address->sun_path;
}

// Tries `call` (bind or connect) on the socket at PATH.
static bool with_address(int fd, const char *path, int (*call)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un address;
	int directory;
	bool ok = address_of(&address, path, &directory) && call(fd, (struct sockaddr *)&address, sizeof address) == 0;
	int saved = errno;
	if (directory >= 0) close(directory);
	errno = saved;
	return ok;
}

int connect_unix(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) return -1;
	if (with_address(fd, path, connect)) return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int bind_unix(const char *path)
{
	unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) return -1;
	mode_t old = umask(0177);
	bool ok = with_address(fd, path, bind);
	umask(old);
	if (ok) return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int listen_unix(const char *path, int backlog)
{
	int fd = bind_unix(path);
	if (fd < 0) return -1;
	if (!listen(fd, backlog) && !fcntl(fd, F_SETFL, O_NONBLOCK)) return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

bool serve_lines(line_server *server, const char *path)
{
	for (int i = 0; i < PEERS; i++) server->peers[i].fd = -1;
	server->listener = -1;
	if (!make_path(server->path, "%s", path)) return false;
	server->listener = listen_unix(path, PEERS);
	return server->listener >= 0;
}

void close_server(line_server *server)
{
	if (server->listener < 0) return;
	unlink(server->path);
	close(server->listener);
	server->listener = -1;
	for (int i = 0; i < PEERS; i++) drop_peer(&server->peers[i]);
}

peer *accept_peer(line_server *server)
{
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) return NULL;
	for (int i = 0; i < PEERS; i++) {
		peer *p = &server->peers[i];
		if (p->fd >= 0) continue;
		p->fd = fd;
		p->used = 0;
		return p;
	}
	close(fd);
	return NULL;
}

void drop_peer(peer *p)
{
	if (p->fd >= 0) close(p->fd);
	p->fd = -1;
}

bool any_peer(const line_server *server)
{
	for (int i = 0; i < PEERS; i++)
		if (server->peers[i].fd >= 0) return true;
	return false;
}

static void take_lines(peer *p, void (*on_line)(peer *, char *, void *), void *arg)
{
	char *newline;
	while (p->fd >= 0 && (newline = memchr(p->input, '\n', p->used))) {
		char line[LINE_SIZE];
		size_t length = (size_t)(newline - p->input);
		memcpy(line, p->input, length);
		line[length] = 0;
		p->used -= length + 1;
		memmove(p->input, newline + 1, p->used);
		on_line(p, line, arg);
	}
}

void read_lines(peer *p, void (*on_line)(peer *, char *, void *), void *arg)
{
	ssize_t n = recv(p->fd, p->input + p->used, sizeof p->input - p->used, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
	if (n <= 0) return drop_peer(p);
	p->used += (size_t)n;
	take_lines(p, on_line, arg);
	if (p->fd >= 0 && p->used == sizeof p->input) drop_peer(p);
}

void say(peer *p, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(line, sizeof line - 1, format, args);
	va_end(args);
	if (p->fd < 0 || n < 0 || n >= (int)sizeof line - 1) return;
	line[n++] = '\n';
	if (send(p->fd, line, (size_t)n, MSG_NOSIGNAL) != n) drop_peer(p);
}
