// What runc was asked to do: its global options, subcommand, that one's options and the container id.
#pragma once
#include <stdbool.h>

typedef struct {
	char **argv;
	int argc;
	int subcommand_at;      // index in argv; globals are before it
	const char *subcommand; // NULL when there is none
	const char *root, *log, *log_format;
	const char *bundle, *pid_file, *console_socket, *id;
} invocation;

invocation parse_invocation(int argc, char **argv);
