// What runc was asked to do: its global options, subcommand, that one's options and the container id.
#include "invocation.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

// Options that take a value, as runc 1.1 to 1.4 know them. Only these make the next word no id.
static const char *const global_values[] = {"root", "log", "log-format", "criu", "rootless", NULL};
static const char *const create_values[] = {"bundle", "b", "console-socket", "pidfd-socket", "pid-file", "preserve-fds", NULL};
static const char *const exec_values[] = {
	"console-socket", "pidfd-socket", "cwd", "env", "e", "user", "u", "additional-gids", "g", "process", "p", "pid-file",
	"process-label", "apparmor", "cap", "c", "preserve-fds", "cgroup", NULL};
static const char *const update_values[] = {
	"resources", "r", "blkio-weight", "cpu-period", "cpu-quota", "cpu-burst", "cpu-share", "cpu-rt-period",
	"cpu-rt-runtime", "cpuset-cpus", "cpuset-mems", "memory", "memory-reservation", "memory-swap", "kernel-memory",
	"kernel-memory-tcp", "pids-limit", "l3-cache-schema", "mem-bw-schema", "cpu-idle", NULL};
static const char *const ps_values[] = {"format", "f", NULL};
static const char *const events_values[] = {"interval", NULL};
static const char *const no_values[] = {NULL};

static const char *const *values_of(const char *subcommand)
{
	static const struct {
		const char *name;
		const char *const *values;
	} table[] = {{"create", create_values}, {"run", create_values}, {"exec", exec_values},
		     {"update", update_values}, {"ps", ps_values},      {"events", events_values}};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (!strcmp(subcommand, table[i].name)) return table[i].values;
	return no_values;
}

static bool takes_value(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (!strcmp(*names, name)) return true;
	return false;
}

static void remember(invocation *in, bool global, const char *name, const char *value)
{
	if (global && !strcmp(name, "root")) in->root = value;
	if (global && !strcmp(name, "log")) in->log = value;
	if (global && !strcmp(name, "log-format")) in->log_format = value;
	if (global) return;
	if (!strcmp(name, "bundle") || !strcmp(name, "b")) in->bundle = value;
	if (!strcmp(name, "pid-file")) in->pid_file = value;
	if (!strcmp(name, "console-socket")) in->console_socket = value;
}

// Reads the option at argv[i]; the index of its last word. `-x`, `--x`, `--x v` and `--x=v` are all Go's.
static int read_option(invocation *in, int i, bool global, const char *const *names)
{
	const char *name = in->argv[i] + (in->argv[i][1] == '-' ? 2 : 1);
	const char *equals = strchr(name, '=');
	char bare[64];
	snprintf(bare, sizeof bare, "%.*s", (int)(equals ? equals - name : (int)strlen(name)), name);
	if (!takes_value(names, bare)) return i;
	if (equals) return remember(in, global, bare, equals + 1), i;
	if (i + 1 < in->argc) remember(in, global, bare, in->argv[i + 1]);
	return i + 1;
}

invocation parse_invocation(int argc, char **argv)
{
	invocation in = {.argv = argv, .argc = argc, .subcommand_at = argc, .root = "/run/runc", .bundle = "."};
	const char *const *names = global_values;
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && argv[i][1]) {
			i = read_option(&in, i, !in.subcommand, names);
		} else if (!in.subcommand) {
			in.subcommand = argv[i];
			in.subcommand_at = i;
			names = values_of(argv[i]);
		} else {
			in.id = argv[i];
			break;
		}
	}
	return in;
}
