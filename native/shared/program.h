// Finds the real program that one of ours stands in front of.
#pragma once
#include <stdbool.h>
#include "files.h"

// From env NAME, else the first line of FILE, else NAME in PATH, skipping ourselves.
bool find_program(char out[PATH_SIZE], const char *env, const char *file, const char *name);
