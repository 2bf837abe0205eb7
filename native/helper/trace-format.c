// What the kernel says of its own trace records: tracefs' `format` and `header_page` files. Offsets differ between kernels, the words do not.
#include "trace-format.h"
#include <stdio.h>
#include <string.h>

bool find_trace_id(const char *format, unsigned *id)
{
	const char *line = strstr(format, "\nID: ");
	return line && sscanf(line, "\nID: %u", id) == 1 && *id <= UINT16_MAX;
}

// `TYPE NAME;`, whose end is END.
static bool declares(const char *start, const char *end, const char *name)
{
	size_t length = strlen(name);
	const char *at = end - length;
	return at > start && at[-1] == ' ' && !memcmp(at, name, length);
}

bool find_trace_field(const char *format, const char *name, trace_field *out)
{
	for (const char *line = strstr(format, "field:"); line; line = strstr(line + 1, "field:")) {
		const char *end = strchr(line, ';');
		if (!end) return false;
		if (!declares(line, end, name)) continue;
		return sscanf(end, "; offset:%zu; size:%zu;", &out->offset, &out->size) == 2 && out->offset < UINT16_MAX && out->size < UINT16_MAX;
	}
	return false;
}

bool find_trace_number(const char *format, const char *name, trace_field *out)
{
	size_t *size = &out->size;
	return find_trace_field(format, name, out) && (*size == 1 || *size == 2 || *size == 4 || *size == 8);
}

bool read_trace_number(const trace_field *field, const uint8_t *record, size_t size, uint64_t *out)
{
	const uint8_t *at = record + field->offset;
	if (field->offset + field->size > size) return false;
	*out = 0;
	// Both ends are of the machine that runs this, and those are little-endian (trace-page.c).
	memcpy(out, at, field->size);
	return true;
}
