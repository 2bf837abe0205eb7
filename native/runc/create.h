// `create`: a container of ours is started afresh, stood in for, or refused.
#pragma once
#include "invocation.h"

// Returns runc's exit code, or -1 when the real runc should do it.
int create_container(const invocation *in);
