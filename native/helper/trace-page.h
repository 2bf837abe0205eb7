// A page of the kernel's trace buffer, as `trace_pipe_raw` gives it.
#pragma once
#include "trace-format.h"

typedef struct {
	trace_field commit, data;
} page_layout;

typedef bool trace_visitor(void *context, const uint8_t *record, size_t size);

// From the text of `events/header_page`.
bool find_page_layout(const char *header_page, page_layout *out);
size_t trace_page_size(const page_layout *layout);
// Hands on every record of the page; false: one was lost before it, the visitor says so, or the page is not understood.
bool walk_trace_page(const page_layout *layout, const uint8_t *page, trace_visitor *visit, void *context);
