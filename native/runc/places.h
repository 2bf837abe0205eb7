// Where the agent and this program meet on disk; the contract is in ../README.md.
#pragma once
#include "files.h"
#include "pod.h"

// RUN is lost at a reboot, STATE is not.
const char *run_directory(void);
const char *state_directory(void);
const char *libexec_directory(void);
bool find_runc(char out[PATH_SIZE]);
bool awaited_directory(char out[PATH_SIZE], const pod *p);
bool restored_marker(char out[PATH_SIZE], const pod *p);
// Makes the marker, on disk, for a container whose state came alive.
bool mark_restored(const char *marker);
// The migration that holds this pod as its source, in OUT.
bool is_source(const pod *p, char *out, size_t size);
