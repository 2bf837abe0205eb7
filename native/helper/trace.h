// A trace instance of the kernel that is ours alone: events are recorded into its buffers, and into nobody else's.
#pragma once
#include "trace-page.h"

typedef struct {
	int tracefs; // a mount of our own, that nobody sees
	int folder;  // of the instance
	char name[64];
	page_layout layout;
	uint8_t *page;
	size_t processors;
	struct processor {
		unsigned number;
		int pipe;
	} *each;
} trace;

// All with a reason on failure (never NULL then), which is NULL when they succeed.
const char *open_trace(trace *t);
// `filter`: what of it is recorded, in the kernel's words. The event's format is for the caller to free.
const char *record_event(trace *t, const char *event, const char *filter, char **format);
// Hands on what was recorded until now. False: it is not all, or not understood, or the visitor says so.
bool read_trace(trace *t, trace_visitor *visit, void *context);
// Whether there ever were more than could be recorded; after a reading, of all before it.
bool lost_events(const trace *t);
// Once or more.
void close_trace(trace *t);
// Calls for each instance whose program was killed; and removes it.
bool sweep_traces(bool remove, void (*found)(const char *name));
