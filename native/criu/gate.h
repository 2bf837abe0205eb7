// The gate: where the agent hears what criu does and decides, once, whether the restored pod may live.
#pragma once
#include "files.h"
#include "lines.h"
#include <poll.h>
#include <sys/types.h>

typedef enum { UNDECIDED, GO, ABORT } decision;

enum { EVENTS = 32 };

typedef struct {
	bool open;
	bool decidable; // the point has been reached where `go` means something
	line_server server;
	char decision_file[PATH_SIZE], pid_file[PATH_SIZE];
	decision decided;
	bool resume; // the agent lets the processes run
	bool holds;  // runc's request waits for `ready`
	bool ready;
	pid_t first; // of the restored container's processes; 0 until criu has named it
	char events[EVENTS][96];
	int event_count;
} gate;

// False with errno when the socket cannot be made, or EALREADY when this state was released before.
bool open_gate(gate *g, const char *path);
void close_gate(gate *g);
void announce(gate *g, const char *name);
void tell_pid(gate *g, int pid);
// Writes it, then takes it; the first one stays.
bool decide(gate *g, decision what);
// Fills 1 + PEERS entries; unused ones have fd -1.
void watch_gate(const gate *g, struct pollfd *fds);
void serve_gate(gate *g, const struct pollfd *fds);
