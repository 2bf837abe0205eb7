// podmotion-pages: memory that travels ahead of the freeze; `track` and `lend` at the source, `store` at the destination.
#include "commands.h"
#include <stdio.h>
#include <string.h>

// Until the store is linked in (its definition is the strong one).
__attribute__((weak)) int store_main(int argc, char **argv)
{
	(void)argc, (void)argv;
	fputs("podmotion-pages: this build has no store\n", stderr);
	return 1;
}

// Likewise.
__attribute__((weak)) int track_main(int argc, char **argv)
{
	(void)argc, (void)argv;
	fputs("podmotion-pages: this build has no tracker\n", stderr);
	return 1;
}

// Likewise.
__attribute__((weak)) int lend_main(int argc, char **argv)
{
	(void)argc, (void)argv;
	fputs("podmotion-pages: this build has no lender\n", stderr);
	return 1;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} commands[] = {
	{"track", track_main, "track --freezer FOLDER --stream SOCKET --skip FOLDER [--minimum BYTES] [--pack lz4]"},
	{"lend", lend_main, "lend --freezer FOLDER --stream SOCKET [--pack lz4] [--limit BYTES]"},
	{"store", store_main, "store --socket PATH --work FOLDER --images FOLDER"},
};

int main(int argc, char **argv)
{
	size_t count = sizeof commands / sizeof *commands;
	for (size_t i = 0; argc > 1 && i < count; i++)
		if (!strcmp(argv[1], commands[i].name)) return commands[i].run(argc - 2, argv + 2);
	fputs("usage:\n", stderr);
	for (size_t i = 0; i < count; i++) fprintf(stderr, "  podmotion-pages %s\n", commands[i].usage);
	return 1;
}
