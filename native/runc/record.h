// RUN/standins/<id>: which stand-in answers for a container id, and whether it still lives.
#pragma once
#include "files.h"
#include <sys/types.h>

typedef struct {
	pid_t pid;
	char directory[PATH_SIZE]; // D/<container>
	unsigned long long started; // of the process: a pid alone may be another's by now
	char bundle[PATH_SIZE];
} record;

bool write_record(const char *id, pid_t pid, const char *directory, const char *bundle);
bool read_record(const char *id, record *out);
void remove_record(const char *id);
// A pidfd of the stand-in, or -1 when it has ended.
int open_standin(const record *r);
