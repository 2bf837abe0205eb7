// The stand-in's life: waiting for the agent's word, restoring, mirroring the restored process's end.
// Nothing here may print: stdout and stderr are the container's.
#include "serve.h"
#include "left-behind.h"
#include "restore.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say_status(standin *self, peer *p)
{
	if (self->state == WAITING) say(p, "waiting");
	if (self->state == RESTORING) say(p, "restoring");
	if (self->state == RUNNING) say(p, "running %d", (int)self->init);
	if (self->state == FAILED) say(p, "failed %d", self->code);
}

static void finish(standin *self, standin_state state, int code)
{
	self->state = state;
	self->code = code;
	if (self->asked) say_status(self, self->asked);
	self->asked = NULL;
}

static void order_restore(standin *self, peer *p, char *line)
{
	restore_order order;
	bool held = !strncmp(line, "arm", 3);
	if (self->state != WAITING) return say_status(self, p);
	if (!parse_restore(line, &order)) return say(p, "failed 2");
	// A store that was given nothing is left out: the dump was a whole one, and criu restores it as it is.
	restore_mode mode = {held, order.lazy && self->store.pid > 0 ? self->store.socket : NULL};
	self->restorer = spawn_restore(self->in, self->directory, &order, &mode);
	self->asked = p;
	if (self->restorer < 0) return finish(self, FAILED, 126);
	self->state = RESTORING;
}

// One store a stand-in: who asks again, an agent that restarted, gets the pid of the one that runs.
static void order_store(standin *self, peer *p, char *line)
{
	char *images, *work;
	if (self->store.pid > 0 && self->store.output < 0) return say(p, "pages %d", (int)self->store.pid);
	if (self->store.pid <= 0 && self->state != WAITING) return say_status(self, p);
	if (!parse_pages(line, &images, &work)) return say(p, "failed 2");
	if (self->store.pid <= 0 && !spawn_store(&self->store, self->directory, images, work)) return say(p, "failed 126");
	self->store_asked = p;
}

static void on_store_output(standin *self)
{
	bool listens = hear_store(&self->store);
	peer *p = self->store_asked;
	self->store_asked = NULL;
	if (!p) return;
	if (listens) say(p, "pages %d", (int)self->store.pid);
	else say(p, "failed %d", self->store.code);
}

static bool is_order(const char *line, const char *word)
{
	size_t length = strlen(word);
	return !strncmp(line, word, length) && (line[length] == ' ' || !line[length]);
}

static void on_line(peer *p, char *line, void *arg)
{
	standin *self = arg;
	if (!strcmp(line, "status")) return say_status(self, p);
	if (is_order(line, "restore") || is_order(line, "arm")) return order_restore(self, p, line);
	if (is_order(line, "pages")) return order_store(self, p, line);
	bool stoppable = self->state == WAITING || self->state == FAILED;
	if (!strcmp(line, "quit") && stoppable) {
		kill_store(&self->store);
		close_server(&self->server);
		exit(1);
	}
	say_status(self, p);
}

static int code_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int mirror(standin *self, int status)
{
	close_server(&self->server);
	if (WIFEXITED(status)) return WEXITSTATUS(status);
	// The same signal, so that containerd sees the same end. A core file would be a second one.
	sigset_t all;
	sigfillset(&all);
	signal(WTERMSIG(status), SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

// Returns an exit code, or -1 to live on.
static int reap_others(standin *self)
{
	siginfo_t info;
	int status;
	for (;;) {
		pid_t pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0) break;
		if (pid == self->store.pid) note_store_end(&self->store, status);
		if (self->state == RUNNING && pid == self->init) return mirror(self, status);
	}
	// Somebody else reaped it: never stay behind as a container without a process.
	if (self->state == RUNNING && waitid(P_PID, (id_t)self->init, &info, WEXITED | WNOHANG | WNOWAIT) && errno == ECHILD) return 1;
	return -1;
}

// Before the gate opens the source goes on with the same connections: their end here must be silent. After it their peers have nobody
// else, and a socket that ends in repair tells them nothing: they would wait for ever.
// Who ends hands its children over meanwhile, to us in the end: all are found when nobody is left. Two seconds, then who cannot be killed is left.
static void end_restore(standin *self)
{
	bool let_go = was_let_go(self->directory);
	for (int looks = 0; looks < 1000; looks++) {
		left_behind left = find_left_behind(getpid(), self->store.pid);
		if (!left.count) return;
		if (let_go) free_left_behind(&left);
		end_left_behind(&left);
		usleep(2 * 1000);
		reap_others(self);
	}
}

// The marker comes before the answer: once anybody may believe that the state came alive,
// a later start of this container must be a fresh one.
static void on_restored(standin *self, int status)
{
	int code = code_of(status);
	if (code) end_restore(self);
	if (code) return finish(self, FAILED, code);
	self->init = read_restored_pid(self->directory);
	if (self->init <= 0) return finish(self, FAILED, 125);
	mark_restored(self->marker);
	finish(self, RUNNING, 0);
	if (self->terminate) kill(self->init, SIGTERM);
}

// While restoring only runc is waited for: the restored process must not be reaped before it is known.
// Returns an exit code, or -1 to live on.
static int reap(standin *self)
{
	int status;
	reap_store(&self->store);
	if (self->state == RESTORING) {
		if (waitpid(self->restorer, &status, WNOHANG) != self->restorer) return -1;
		on_restored(self, status);
	}
	return reap_others(self);
}

// A SIGTERM during the restore waits for the restored process and is then given to it.
static int on_terminate(standin *self)
{
	if (self->state == RUNNING) kill(self->init, SIGTERM);
	if (self->state == RUNNING) return -1;
	if (self->state == RESTORING) return self->terminate = true, -1;
	close_server(&self->server);
	return 143;
}

static int on_signal(standin *self)
{
	struct signalfd_siginfo info;
	while (read(self->signals, &info, sizeof info) == sizeof info) {
		int code = info.ssi_signo == SIGTERM ? on_terminate(self) : reap(self);
		if (code >= 0) return code;
	}
	return -1;
}

bool prepare_standin(standin *self, const invocation *in, const char *directory, const char *marker)
{
	char path[PATH_SIZE];
	self->in = in;
	self->state = WAITING;
	self->store = (store){.output = -1};
	if (!make_path(self->directory, "%s", directory) || !make_path(self->marker, "%s", marker)) return false;
	if (!make_path(path, "%s/standin.sock", directory)) return false;
	sigset_t watched;
	sigemptyset(&watched);
	sigprocmask(SIG_SETMASK, &watched, NULL);
	sigaddset(&watched, SIGCHLD);
	sigaddset(&watched, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &watched, NULL)) return false;
	self->signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	return self->signals >= 0 && serve_lines(&self->server, path);
}

// What the wrapper was started with beyond stdio would stay open for the life of the container.
static void close_inherited(const standin *self)
{
	for (int fd = 3; fd < 1024; fd++)
		if (fd != self->signals && fd != self->server.listener) close(fd);
	syscall(SYS_close_range, 1024u, ~0u, 0);
}

static void serve_peers(standin *self, const struct pollfd *fds)
{
	for (int i = 0; i < PEERS; i++) {
		if (!fds[i].revents) continue;
		peer *p = &self->server.peers[i];
		read_lines(p, on_line, self);
		if (p->fd < 0 && self->asked == p) self->asked = NULL;
		if (p->fd < 0 && self->store_asked == p) self->store_asked = NULL;
	}
}

int serve_standin(standin *self)
{
	close_inherited(self);
	for (;;) {
		struct pollfd fds[3 + PEERS] = {{self->signals, POLLIN, 0}, {self->server.listener, POLLIN, 0}, {self->store.output, POLLIN, 0}};
		for (int i = 0; i < PEERS; i++) fds[3 + i] = (struct pollfd){self->server.peers[i].fd, POLLIN, 0};
		if (poll(fds, 3 + PEERS, -1) < 0 && errno != EINTR) return 1;
		int code = fds[0].revents ? on_signal(self) : -1;
		if (code >= 0) return code;
		if (fds[2].revents) on_store_output(self);
		serve_peers(self, fds + 3);
		if (fds[1].revents) accept_peer(&self->server);
	}
}
