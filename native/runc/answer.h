// Answers for a container whose first process is a stand-in, as runc would for a running one.
#pragma once
#include "invocation.h"

// Returns runc's exit code, or -1 when the real runc should do it (possibly with the changed argv).
int answer_for_standin(invocation *in);
