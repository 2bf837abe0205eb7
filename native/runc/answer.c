// Answers for a container whose first process is a stand-in, as runc would for a running one.
#include "answer.h"
#include "json.h"
#include "left-behind.h"
#include "record.h"
#include "report.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

// runc writes it when it takes the restored process over (post-restore).
static bool is_restored(const invocation *in)
{
	char path[PATH_SIZE];
	return make_path(path, "%s/%s/state.json", in->root, in->id) && file_exists(path);
}

static int signal_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} names[] = {{"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"KILL", SIGKILL}, {"USR1", SIGUSR1},
		     {"USR2", SIGUSR2}, {"TERM", SIGTERM}, {"WINCH", SIGWINCH}, {"PWR", SIGPWR}, {"CONT", SIGCONT}, {"STOP", SIGSTOP}};
	char *end;
	long number = strtol(name, &end, 10);
	if (!*end) return number > 0 && number <= SIGRTMAX ? (int)number : -1;
	if (!strncasecmp(name, "SIG", 3)) name += 3;
	if (!strncasecmp(name, "RTMIN+", 6)) return SIGRTMIN + atoi(name + 6);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcasecmp(name, names[i].name)) return names[i].number;
	return -1;
}

// The word after the id; runc's own default is SIGTERM.
static const char *signal_argument(const invocation *in)
{
	for (int i = in->subcommand_at + 1; i + 1 < in->argc; i++)
		if (in->argv[i] == in->id && in->argv[i + 1][0] != '-') return in->argv[i + 1];
	return "SIGTERM";
}

static int kill_standin(const invocation *in, const record *r, int standin)
{
	int number = signal_number(signal_argument(in));
	if (number < 0) return report(in, "killing %s: unknown signal %s", in->id, signal_argument(in)), 1;
	// containerd knows this sentence of runc's and takes it for "has ended already".
	if (standin < 0) return report(in, "container not running"), 1;
	left_behind left = find_left_behind(r->pid, 0);
	if (syscall(SYS_pidfd_send_signal, standin, number, NULL, 0)) return report(in, "container not running"), 1;
	if (number == SIGKILL) end_left_behind(&left);
	return 0;
}

static int print_state(const invocation *in, const record *r, int standin)
{
	fputs("{\"ociVersion\":\"1.2.0\",\"id\":", stdout);
	json_put(stdout, in->id);
	printf(",\"pid\":%d,\"status\":\"%s\",\"bundle\":", standin < 0 ? 0 : (int)r->pid, standin < 0 ? "stopped" : "running");
	json_put(stdout, r->bundle);
	puts("}");
	return 0;
}

// In JSON, as containerd asks. A containerd that starts anew takes a container without processes for a leaked one: it forgets it, and leaves it running.
static int print_processes(const record *r, int standin)
{
	if (standin < 0) puts("[]");
	else printf("[%d]\n", (int)r->pid);
	return 0;
}

// runc killed in the middle of a restore, or at its end when the container runs already, leaves the root
// file system bound here, and its own `delete` would then remove the container's files through it.
static void unbind_root(const invocation *in)
{
	char path[PATH_SIZE];
	if (!make_path(path, "%s/%s/criu-root", in->root, in->id)) return;
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
}

// The id must stay the argument, so --force goes right behind `delete`.
static void add_force(invocation *in)
{
	char **argv = calloc((size_t)in->argc + 2, sizeof *argv);
	if (!argv) return;
	size_t n = 0;
	for (int i = 0; i < in->argc; i++) {
		argv[n++] = in->argv[i];
		if (i == in->subcommand_at) argv[n++] = "--force";
	}
	in->argv = argv;
	in->argc++;
}

static bool has_state_directory(const invocation *in)
{
	char path[PATH_SIZE];
	return make_path(path, "%s/%s", in->root, in->id) && file_exists(path);
}

static bool is_forced(const invocation *in)
{
	for (int i = in->subcommand_at + 1; i < in->argc; i++)
		if (!strcmp(in->argv[i], "--force") || !strcmp(in->argv[i], "-f")) return true;
	return false;
}

// A runc that restores dies with its stand-in (PDEATHSIG), a moment later: its mounts are taken off after that.
static void end_standin(const record *r, int standin)
{
	struct pollfd ended = {standin, POLLIN, 0};
	left_behind left = find_left_behind(r->pid, 0);
	syscall(SYS_pidfd_send_signal, standin, SIGKILL, NULL, 0);
	poll(&ended, 1, 2000);
	end_left_behind(&left);
	usleep(20 * 1000);
}

// A stand-in that was killed leaves a restored process that runc still knows, while containerd believes it
// ended and deletes without --force: only by force it goes, else the old copy would run beside a new one.
static int delete_container(invocation *in, const record *r, int standin)
{
	bool restored = is_restored(in);
	// Running and not forced: runc refuses, and the record is still needed.
	if (restored && standin >= 0 && !is_forced(in)) return -1;
	if (!restored && standin >= 0) end_standin(r, standin);
	remove_record(in->id);
	unbind_root(in);
	if (!has_state_directory(in)) return 0;
	add_force(in);
	return -1;
}

int answer_for_standin(invocation *in)
{
	record r;
	const char *what = in->subcommand;
	if (!what || !in->id || !read_record(in->id, &r)) return -1;
	// It stands running since `create`; after the restore runc would call this an error.
	if (!strcmp(what, "start")) return 0;
	int standin = open_standin(&r);
	if (!strcmp(what, "delete")) return delete_container(in, &r, standin);
	if (is_restored(in)) return -1;
	if (!strcmp(what, "kill")) return kill_standin(in, &r, standin);
	if (!strcmp(what, "state")) return print_state(in, &r, standin);
	if (!strcmp(what, "ps")) return print_processes(&r, standin);
	if (!strcmp(what, "update")) return 0;
	report(in, "%s %s: the container is being received by a migration and does not run yet", what, in->id);
	return 1;
}
