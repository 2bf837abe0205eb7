// The kernel's events by which contents of files change, and what each makes stale.
#pragma once
#include "trace.h"

// Begins to record them for the file systems of DEVICE, in the kernel's own number. NULL, or a reason.
const char *record_writes(trace *t, uint64_t device);
// Of what was recorded: marks it (stale.h). A trace_visitor.
bool note_write(void *context, const uint8_t *record, size_t size);
