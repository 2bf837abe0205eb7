// Tries out whether the kernel tells what it should of a file system, on a file of our own there.
#pragma once
#include "trace.h"

// A file without a name beside FOLDER, on its file system; -1: there can be none.
int make_trial_file(const char *folder, uint64_t *device);
// As events name it.
uint64_t trace_device(uint64_t device);
// NULL, or what the kernel does not tell of.
const char *try_events(trace *t, int fd);
// Whether the events still come: to be asked beside each reading. begin, read_trace, end.
bool begin_pulse(int fd);
bool end_pulse(void);
