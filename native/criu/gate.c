// The gate: where the agent hears what criu does and decides, once, whether the restored pod may live.
#include "gate.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const words[] = {"", "go", "abort"};

// The files stand beside the socket and carry its name: gate.sock, gate.decision, gate.pid.
static bool name_files(gate *g, const char *path)
{
	int stem = (int)strlen(path);
	if (stem > 5 && !strcmp(path + stem - 5, ".sock")) stem -= 5;
	return make_path(g->decision_file, "%.*s.decision", stem, path) && make_path(g->pid_file, "%.*s.pid", stem, path);
}

// A state that was let go lived. Restoring it again would bring an old one back.
static bool released_before(const gate *g)
{
	char line[16];
	return first_line(g->decision_file, line, sizeof line) && !strcmp(line, words[GO]);
}

bool open_gate(gate *g, const char *path)
{
	memset(g, 0, sizeof *g);
	if (!name_files(g, path)) return false;
	if (released_before(g)) {
		errno = EALREADY;
		return false;
	}
	unlink(g->decision_file);
	unlink(g->pid_file);
	g->open = serve_lines(&g->server, path);
	return g->open;
}

void close_gate(gate *g)
{
	if (g->open) close_server(&g->server);
	g->open = false;
}

void announce(gate *g, const char *name)
{
	struct timespec now;
	if (!g->open) return;
	clock_gettime(CLOCK_REALTIME, &now);
	int64_t ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	if (g->event_count == EVENTS) return;
	char *event = g->events[g->event_count++];
	snprintf(event, sizeof g->events[0], "event %.40s %" PRId64, name, ns);
	for (int i = 0; i < PEERS; i++) say(&g->server.peers[i], "%s", event);
}

void tell_pid(gate *g, int pid)
{
	char text[32];
	if (!g->open || pid <= 0) return;
	g->first = pid;
	snprintf(text, sizeof text, "%d\n", pid);
	write_atomically(g->pid_file, text);
}

bool decide(gate *g, decision what)
{
	char text[16];
	if (g->decided != UNDECIDED) return true;
	snprintf(text, sizeof text, "%s\n", words[what]);
	// Not written, not decided: after a crash the file must say what happened.
	if (!write_durably(g->decision_file, text)) return false;
	g->decided = what;
	return true;
}

// `abort` may come at any time, and then holds for the next point where criu can give up cleanly.
static void on_order(gate *g, peer *p, decision what)
{
	if (g->decided == UNDECIDED && what == GO && !g->decidable) return say(p, "early");
	if (!decide(g, what)) return say(p, "error writing %s", g->decision_file);
	say(p, "decided %s", words[g->decided]);
}

// Everything that the restore needs is in its place. Not a decision: `abort` may still come.
static void on_ready(gate *g, peer *p)
{
	if (g->decided == ABORT) return say(p, "decided %s", words[ABORT]);
	g->ready = true;
	say(p, "released");
}

static void on_line(peer *p, char *line, void *arg)
{
	gate *g = arg;
	if (!strcmp(line, "go")) return on_order(g, p, GO);
	if (!strcmp(line, "abort")) return on_order(g, p, ABORT);
	if (!strcmp(line, "resume")) {
		g->resume = true;
		return;
	}
	if (!strcmp(line, "ready") && g->holds) return on_ready(g, p);
	say(p, "unknown order");
}

void watch_gate(const gate *g, struct pollfd *fds)
{
	fds[0] = (struct pollfd){g->open ? g->server.listener : -1, POLLIN, 0};
	for (int i = 0; i < PEERS; i++) fds[1 + i] = (struct pollfd){g->open ? g->server.peers[i].fd : -1, POLLIN, 0};
}

static void welcome(gate *g)
{
	peer *p = accept_peer(&g->server);
	if (!p) return;
	for (int i = 0; i < g->event_count && p->fd >= 0; i++) say(p, "%s", g->events[i]);
}

void serve_gate(gate *g, const struct pollfd *fds)
{
	if (!g->open) return;
	for (int i = 0; i < PEERS; i++)
		if (fds[1 + i].revents) read_lines(&g->server.peers[i], on_line, g);
	if (fds[0].revents) welcome(g);
}
