// Line protocols over unix stream sockets: listening, connecting, and one peer's input buffer.
#pragma once
#include <stdbool.h>
#include <stddef.h>

// A line longer than this ends the connection.
enum { LINE_SIZE = 9000, PEERS = 8 };

typedef struct {
	int fd;
	size_t used;
	char input[LINE_SIZE];
} peer;

typedef struct {
	int listener;
	char path[4096];
	peer peers[PEERS];
} line_server;

int connect_unix(const char *path);
// A socket at PATH that does not listen yet: mode 0600; -1 with errno.
int bind_unix(const char *path);
// Non-blocking.
int listen_unix(const char *path, int backlog);
bool serve_lines(line_server *server, const char *path);
void close_server(line_server *server);
// Accepts one connection; its peer, or NULL (when all places are taken the newcomer is closed).
peer *accept_peer(line_server *server);
void drop_peer(peer *p);
bool any_peer(const line_server *server);
// Reads what is there and calls for every whole line; drops the peer at its end.
void read_lines(peer *p, void (*on_line)(peer *p, char *line, void *arg), void *arg);
// Never blocks: a peer that does not read is dropped.
void say(peer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
