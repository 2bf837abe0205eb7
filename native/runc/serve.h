// The stand-in's life: waiting for the agent's word, restoring, mirroring the restored process's end.
#pragma once
#include "invocation.h"
#include "lines.h"
#include "places.h"
#include "store.h"
#include <sys/types.h>

typedef enum { WAITING, RESTORING, RUNNING, FAILED } standin_state;

typedef struct {
	const invocation *in;
	char directory[PATH_SIZE], marker[PATH_SIZE];
	line_server server;
	int signals; // signalfd
	standin_state state;
	pid_t restorer, init;
	int code;          // of a failed restore
	bool terminate;    // SIGTERM came while restoring
	peer *asked;       // who ordered the restore and waits for its end
	store store;       // of memory that comes ahead
	peer *store_asked; // who ordered the store and waits for its socket
} standin;

bool prepare_standin(standin *self, const invocation *in, const char *directory, const char *marker);
int serve_standin(standin *self);
