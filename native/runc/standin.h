// The stand-in: a container's first process until the real one is restored, then the mirror of its end.
#pragma once
#include "invocation.h"
#include "places.h"

// Starts it and returns runc's exit code for `create`.
int start_standin(const invocation *in, const char *directory, const char *marker);
