// Carries messages between runc and criu, stopping at the gate.
#include "relay.h"
#include "breakpoints.h"
#include "child.h"
#include "gate.h"
#include "packet.h"
#include "preload.h"
#include "request.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// How long restored processes may be kept from running, sockets live, for an agent that went silent.
enum { RESUME_LIMIT_MS = 2000 };

// criu traces the restored threads and waits for the first one, which, killed meanwhile, waits in the kernel for the
// others of its pid namespace, and these for their tracer: each for ever. A container that dies ends its criu.
enum { LOOK_MS = 200, DYING_LIMIT_MS = 1000 };

typedef enum { FLOWING, HELD_REQUEST, AT_GATE, AT_RESUME } place;

typedef struct {
	int runc; // -1 once it has closed
	int number; // of that socket, as criu's argument
	child criu;
	gate gate;
	unsigned type; // of runc's request
	place at;
	packet stopped; // the message that waits at the gate
	int64_t deadline_ms;
	int64_t dying_since_ms; // 0: what is let go lives
	bool ended;
} session;

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void refuse_to_criu(session *s)
{
	buffer out = {0};
	put_refusal(&out);
	send_message(s->criu.socket, (bytes){out.at, out.length});
	free(out.at);
	free_packet(&s->stopped);
	s->at = FLOWING;
}

static void forward(session *s)
{
	int to = s->at == HELD_REQUEST ? s->criu.socket : s->runc;
	if (to >= 0) send_packet(to, &s->stopped);
	free_packet(&s->stopped);
	s->at = FLOWING;
}

// A held request that is given up: runc gets the answer of a failed dump, criu the end of its socket.
static void cancel_request(session *s)
{
	buffer out = {0};
	put_failed_response(&out, s->type);
	if (s->runc >= 0) send_message(s->runc, (bytes){out.at, out.length});
	free(out.at);
	free_packet(&s->stopped);
	shutdown(s->criu.socket, SHUT_WR);
	s->at = FLOWING;
}

// A dump waits for its `go`; a restore for `ready`, its `go` comes at the gate.
static bool is_released(const session *s)
{
	return s->type == CRIU_RESTORE ? s->gate.ready : s->gate.decided == GO;
}

// Looks whether what is stopped may go on.
static void pass_gate(session *s)
{
	gate *g = &s->gate;
	if (s->at == HELD_REQUEST && g->decided == ABORT) cancel_request(s);
	if (s->at == HELD_REQUEST && is_released(s)) forward(s);
	if (s->at == AT_GATE && g->decided == GO) forward(s);
	if (s->at == AT_GATE && g->decided == ABORT) refuse_to_criu(s);
	if (s->at != AT_RESUME) return;
	if (g->resume || !any_peer(&g->server) || now_ms() >= s->deadline_ms) forward(s);
}

// Whether this notification must wait, and where. Before the gate an early abort is answered at once.
static place place_of(session *s, const char *script)
{
	bool gated = s->gate.open && s->type == CRIU_RESTORE;
	if (!gated) return FLOWING;
	if (!strcmp(script, "pre-resume")) return any_peer(&s->gate.server) ? AT_RESUME : FLOWING;
	if (!strcmp(script, "post-restore")) return AT_GATE;
	return s->gate.decided == ABORT ? AT_GATE : FLOWING;
}

static void on_criu_message(session *s, packet *p)
{
	char script[64];
	int pid;
	bool notify = read_notify(packet_bytes(p), script, sizeof script, &pid);
	s->stopped = *p;
	if (!notify) return forward(s);
	s->at = place_of(s, script);
	if (s->at == AT_GATE) s->gate.decidable = true;
	s->deadline_ms = now_ms() + RESUME_LIMIT_MS;
	tell_pid(&s->gate, pid);
	announce(&s->gate, script);
	if (s->at == FLOWING) forward(s);
	else pass_gate(s);
}

// While a message is stopped at the gate criu waits for us and says nothing.
static void read_criu(session *s)
{
	packet p;
	packet_result result;
	while (s->at == FLOWING && (result = receive_packet(s->criu.socket, &p)) != PACKET_NONE) {
		if (result == PACKET_END) {
			s->ended = true;
			return;
		}
		on_criu_message(s, &p);
	}
}

// runc is gone. Undecided, that is the end of the attempt: nobody could run what was restored.
static void on_runc_end(session *s)
{
	close(s->runc);
	s->runc = -1;
	bool waits = s->at == AT_GATE || s->at == HELD_REQUEST;
	if (waits && s->gate.decided == UNDECIDED && !decide(&s->gate, ABORT)) s->gate.decided = ABORT;
	if (waits) pass_gate(s);
	shutdown(s->criu.socket, SHUT_WR);
}

static void read_runc(session *s)
{
	packet p;
	packet_result result = receive_packet(s->runc, &p);
	if (result == PACKET_END) on_runc_end(s);
	if (result != PACKET_READ) return;
	send_packet(s->criu.socket, &p);
	free_packet(&p);
}

static bool is_let_go(const session *s)
{
	return s->type == CRIU_RESTORE && s->gate.decided == GO && s->gate.first > 0;
}

static void watch_let_go(session *s)
{
	if (!is_let_go(s) || !is_exiting(s->gate.first)) s->dying_since_ms = 0;
	else if (!s->dying_since_ms) s->dying_since_ms = now_ms();
	else if (now_ms() - s->dying_since_ms >= DYING_LIMIT_MS) kill(s->criu.pid, SIGKILL);
}

static int poll_timeout(const session *s)
{
	if (s->at != AT_RESUME) return is_let_go(s) ? LOOK_MS : -1;
	int64_t left = s->deadline_ms - now_ms();
	return left > 0 ? (int)left : 0;
}

static void run(session *s)
{
	while (!s->ended) {
		struct pollfd fds[3 + 1 + PEERS] = {{s->runc, POLLIN, 0}, {s->criu.socket, POLLIN, 0}, {s->criu.pidfd, POLLIN, 0}};
		watch_gate(&s->gate, fds + 3);
		if (poll(fds, 3 + 1 + PEERS, poll_timeout(s)) < 0 && errno != EINTR) return;
		bool criu_ended = fds[2].revents;
		serve_gate(&s->gate, fds + 3);
		pass_gate(s);
		watch_let_go(s);
		if (fds[0].revents) read_runc(s);
		if (fds[1].revents || criu_ended) read_criu(s);
		// Its last words were read just now; what waits at the gate waits for nobody.
		if (criu_ended) return;
	}
}

static bool open_gates(session *s)
{
	const char *path = NULL;
	if (s->type == CRIU_RESTORE) path = getenv("PODMOTION_GATE");
	if (s->type == CRIU_DUMP) path = getenv("PODMOTION_HOLD_DUMP");
	return !path || !*path || open_gate(&s->gate, path);
}

// The request stays with us until the agent's word. True: it is held.
static bool hold_request(session *s)
{
	const char *hold = getenv("PODMOTION_HOLD_RESTORE");
	if (!s->gate.open) return false;
	if (s->type == CRIU_RESTORE) s->gate.holds = hold && !strcmp(hold, "1");
	if (s->type == CRIU_DUMP) s->gate.decidable = true;
	if (s->type != CRIU_DUMP && !s->gate.holds) return false;
	prepare_breakpoints();
	announce(&s->gate, "held");
	return true;
}

static bool begin(session *s, const packet *first, pid_t runc)
{
	buffer adapted = {0};
	s->type = request_type(packet_bytes(first));
	if (!open_gates(s)) return fprintf(stderr, "podmotion-criu: opening the gate: %s\n", strerror(errno)), false;
	const char *preload = NULL;
	char path[PATH_SIZE];
	if (!find_preload(s->type, path, &preload)) return fprintf(stderr, "podmotion-criu: restoring memory from %s needs %s, which is not there\n", getenv("PODMOTION_PAGES"), path), false;
	if (!start_criu(&s->criu, s->number, preload)) return fprintf(stderr, "podmotion-criu: starting criu: %s\n", strerror(errno)), false;
	if (!adapt_request(&adapted, packet_bytes(first), runc))
		return fprintf(stderr, "podmotion-criu: reading runc's request: %s\n", strerror(errno)), false;
	s->stopped = (packet){.at = adapted.at, .length = adapted.length};
	s->at = HELD_REQUEST;
	if (!hold_request(s)) forward(s);
	return true;
}

// Blocks for the first message: criu is started only then, because runc moves us into the container's cgroups
// before it writes, and criu and all that it restores must be born there.
static bool receive_first(int socket, packet *first)
{
	struct pollfd readable = {socket, POLLIN, 0};
	while (poll(&readable, 1, -1) < 0)
		if (errno != EINTR) return false;
	return receive_packet(socket, first) == PACKET_READ;
}

int relay(int runc_socket)
{
	session s = {.runc = runc_socket, .number = runc_socket};
	struct ucred creator;
	socklen_t size = sizeof creator;
	packet first;
	if (getsockopt(runc_socket, SOL_SOCKET, SO_PEERCRED, &creator, &size)) return 1;
	if (!receive_first(runc_socket, &first)) return 1;
	bool begun = begin(&s, &first, creator.pid);
	free_packet(&first);
	if (begun) run(&s);
	close_gate(&s.gate);
	if (s.criu.pid <= 0) return 1;
	close(s.criu.socket);
	int code = mirror_end(&s.criu);
	return begun ? code : 1;
}
