// podmotion-pages store: beside a stand-in, from the first page that comes until the last one is where it belongs.
#include "store.h"
#include "commands.h"
#include "lines.h"
#include "store-handout.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// How long it can still be asked, when all is done and nobody ends it.
enum { STAY_SECONDS = 60, CONNECTIONS = 32 };

typedef struct {
	store *store;
	int fd;
	unsigned number;
} connection;

static _Atomic int connections;

const char *state_name(store_state state)
{
	static const char *const names[] = {"receiving", "complete", "complete", "serving", "local", "failed"};
	return names[state];
}

void note(store *s, const char *format, ...)
{
	char text[1024];
	struct timespec now;
	va_list args;
	clock_gettime(CLOCK_REALTIME, &now);
	int n = snprintf(text, sizeof text, "%lld.%03ld ", (long long)now.tv_sec, now.tv_nsec / 1000000);
	va_start(args, format);
	vsnprintf(text + n, sizeof text - (size_t)n - 1, format, args);
	va_end(args);
	strcat(text, "\n");
	if (write(s->log, text, strlen(text)) < 0) return; // a full disk must not end it
}

void set_state(store *s, store_state state)
{
	pthread_mutex_lock(&s->lock);
	if (s->state != FAILED) s->state = state;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void fail_store(store *s, const char *format, ...)
{
	char why[sizeof s->reason];
	va_list args;
	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	pthread_mutex_lock(&s->lock);
	if (s->state != FAILED) memcpy(s->reason, why, sizeof why);
	s->state = FAILED;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	note(s, "failed: %s", why);
}

static void *serve_connection(void *arg)
{
	connection c = *(connection *)arg;
	free(arg);
	serve_control(c.store, c.fd, c.number);
	atomic_fetch_sub(&connections, 1);
	return NULL;
}

static bool start_connection(connection *c)
{
	pthread_t thread;
	pthread_attr_t detached;
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	bool ok = pthread_create(&thread, &detached, serve_connection, c) == 0;
	pthread_attr_destroy(&detached);
	return ok;
}

static void accept_connection(store *s, int listener)
{
	static unsigned number;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0) return;
	connection *c = malloc(sizeof *c);
	if (c) *c = (connection){s, fd, ++number};
	bool room = atomic_fetch_add(&connections, 1) < CONNECTIONS;
	if (c && room && start_connection(c)) return;
	atomic_fetch_sub(&connections, 1);
	free(c);
	close(fd);
}

// Told to end, or told nothing for a while.
static bool is_over(store *s, bool told, time_t *since)
{
	pthread_mutex_lock(&s->lock);
	bool local = s->state == LOCAL, needed = s->state == SERVING;
	pthread_mutex_unlock(&s->lock);
	if (told) return !needed;
	if (!local) return false;
	if (!*since) *since = time(NULL);
	return time(NULL) - *since >= STAY_SECONDS;
}

// SIGTERM is also the end of the stand-in. While restored processes wait for pages it is not ours.
static void run(store *s, int control, int signals)
{
	time_t local_since = 0;
	bool told = false;
	while (!is_over(s, told, &local_since)) {
		struct signalfd_siginfo info;
		struct pollfd fds[] = {{control, POLLIN, 0}, {signals, POLLIN, 0}};
		if (poll(fds, 2, told ? 20 : 1000) < 0 && errno != EINTR) return;
		if (fds[1].revents && read(signals, &info, sizeof info) == sizeof info) told = true;
		if (fds[0].revents) accept_connection(s, control);
	}
}

static int watch_signals(void)
{
	sigset_t watched;
	sigemptyset(&watched);
	sigaddset(&watched, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &watched, NULL);
	// In place of the stand-in's SIGKILL: it could fall into the moment when restored processes wait for pages.
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return signalfd(-1, &watched, SFD_CLOEXEC);
}

static bool read_arguments(store *s, int argc, char **argv)
{
	for (int i = 0; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--socket")) s->socket = argv[i + 1];
		if (!strcmp(argv[i], "--work")) s->work = argv[i + 1];
		if (!strcmp(argv[i], "--images")) s->images = argv[i + 1];
	}
	return argc == 6 && s->socket && s->work && s->images;
}

// Whoever started us waits for this word, then the output is nobody's.
static bool say_that_it_listens(void)
{
	static const char word[] = "listening\n";
	bool ok = write(STDOUT_FILENO, word, sizeof word - 1) == sizeof word - 1;
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	return ok && nothing >= 0 && dup2(nothing, STDOUT_FILENO) == STDOUT_FILENO;
}

static int fail_to_start(const char *doing, const char *what)
{
	fprintf(stderr, "podmotion-pages store: %s %s: %s\n", doing, what, strerror(errno));
	return 1;
}

int store_main(int argc, char **argv)
{
	static store s = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .stream = -1};
	char log[PATH_SIZE], lazy_path[PATH_SIZE];
	if (!read_arguments(&s, argc, argv)) return fprintf(stderr, "usage: podmotion-pages store --socket PATH --work FOLDER --images FOLDER\n"), 1;
	if (!make_path(log, "%s/pages.log", s.work) || !make_path(lazy_path, "%s/lazy-pages.socket", s.work)) return fail_to_start("naming files in", s.work);
	if (!make_directories(s.work, 0700)) return fail_to_start("making", s.work);
	s.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (s.log < 0) return fail_to_start("opening", log);
	int signals = watch_signals(), control = listen_unix(s.socket, CONNECTIONS);
	if (signals < 0 || control < 0) return fail_to_start("listening on", s.socket);
	s.lazy = bind_unix(lazy_path);
	if (s.lazy < 0) return fail_to_start("making", lazy_path);
	s.guard = start_guard();
	if (!s.guard) return fail_to_start("starting the guard of", s.socket);
	if (!say_that_it_listens()) return fail_to_start("telling that it listens on", s.socket);
	run(&s, control, signals);
	return 0;
}
