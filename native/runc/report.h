// Says an error where runc would: on stderr, and as a line of --log, which is what containerd shows.
#pragma once
#include "invocation.h"

void report(const invocation *in, const char *format, ...) __attribute__((format(printf, 2, 3)));
