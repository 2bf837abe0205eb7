// podmotion-helper: what the agent needs from the kernel and cannot reach itself. One JSON document on stdout.
#include "command.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} commands[] = {
	{"conntrack", conntrack_command, "conntrack dump [--ip A]... [--mark V/M] [--wait] | conntrack apply < LINES"},
	{"garp", garp_command, "garp DEVICE IP | -"},
	{"sockets", sockets_command, "sockets PID...|-"},
	{"reasons", reasons_command, "reasons PID..."},
	{"unrepair", unrepair_command, "unrepair PID..."},
	{"connect", connect_command, "connect [--args] SOCKET TOKEN [ARGS...]"},
	{"blocks", blocks_command, "blocks < KEY, REQUESTS"},
	{"traces", traces_command, "traces [--remove]"},
	{"tcp", tcp_command, "tcp PID < WORDS"},
	{"freeze", freeze_command, "freeze CGROUP..."},
	{"thaw", thaw_command, "thaw CGROUP..."},
};

int complain(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("podmotion-helper: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return 1;
}

int main(int argc, char **argv)
{
	size_t count = sizeof commands / sizeof *commands;
	for (size_t i = 0; argc > 1 && i < count; i++)
		if (!strcmp(argv[1], commands[i].name)) return commands[i].run(argc - 2, argv + 2);
	fputs("usage:\n", stderr);
	for (size_t i = 0; i < count; i++) fprintf(stderr, "  podmotion-helper %s\n", commands[i].usage);
	return 1;
}
