// What the kernel says of its own trace records: tracefs' `format` and `header_page` files.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
	size_t offset, size;
} trace_field;

bool find_trace_id(const char *format, unsigned *id);
// Only a number of 1, 2, 4 or 8 bytes is found.
bool find_trace_number(const char *format, const char *name, trace_field *out);
bool find_trace_field(const char *format, const char *name, trace_field *out);
// Of a record of SIZE bytes; false when it is too short.
bool read_trace_number(const trace_field *field, const uint8_t *record, size_t size, uint64_t *out);
