// `traces [--remove]`: trace instances whose program was killed (watch.c takes its own away), as a JSON list of their names.
#include "command.h"
#include "json.h"
#include "trace.h"
#include <stdio.h>
#include <string.h>

static void print_name(const char *name)
{
	static bool more;
	if (more) putchar(',');
	more = true;
	json_put(stdout, name);
}

int traces_command(int argc, char **argv)
{
	putchar('[');
	bool ok = sweep_traces(argc > 0 && !strcmp(argv[0], "--remove"), print_name);
	puts("]");
	return ok ? 0 : complain("traces: not all could be looked at, or removed");
}
