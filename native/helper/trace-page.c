// A page of the kernel's trace buffer (Linux, include/linux/ring_buffer.h): a time, how much is filled, then records, each with a word before it whose
// low five bits are its length or its kind. Of little-endian machines, as all nodes are.
#include "trace-page.h"
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the bits of a record's head are counted from below");

enum { HEAD = 4, PADDING = 29, TIME_EXTEND = 30, TIME_STAMP = 31, TIME_SIZE = 4 };
// Of `commit`: records were lost before this page, the length.
static const uint32_t missed = 1u << 31, length_bits = (1u << 27) - 1;
enum { LARGEST_PAGE = 1 << 20 };

bool find_page_layout(const char *header_page, page_layout *out)
{
	return find_trace_number(header_page, "commit", &out->commit) && out->commit.size >= sizeof(uint32_t) &&
	       find_trace_field(header_page, "data", &out->data) && out->commit.offset + out->commit.size <= out->data.offset &&
	       trace_page_size(out) <= LARGEST_PAGE;
}

size_t trace_page_size(const page_layout *layout)
{
	return layout->data.offset + layout->data.size;
}

// The record at AT: how long it is with its head, and where its data is. False: not understood.
static bool measure(const uint8_t *at, size_t left, uint32_t *data, uint32_t *length)
{
	uint32_t head, word = 0;
	if (left < HEAD) return false;
	memcpy(&head, at, sizeof head);
	if (left >= HEAD + sizeof word) memcpy(&word, at + HEAD, sizeof word);
	uint32_t kind = head & 31, delta = head >> 5;
	*data = 0;
	if (kind >= TIME_EXTEND) *length = HEAD + TIME_SIZE;
	// With no time: the page's rest.
	else if (kind == PADDING) *length = delta ? HEAD + word : (uint32_t)left;
	else if (kind) *data = HEAD, *length = HEAD + kind * 4;
	else *data = HEAD + (uint32_t)sizeof word, *length = HEAD + word;
	return *length >= HEAD && *length <= left && *data <= *length;
}

bool walk_trace_page(const page_layout *layout, const uint8_t *page, trace_visitor *visit, void *context)
{
	uint32_t commit, data, length;
	memcpy(&commit, page + layout->commit.offset, sizeof commit);
	size_t filled = commit & length_bits;
	if (commit & missed || filled > layout->data.size) return false;
	const uint8_t *records = page + layout->data.offset;
	for (size_t at = 0; at < filled; at += length) {
		if (!measure(records + at, filled - at, &data, &length)) return false;
		if (data && !visit(context, records + at + data, length - data)) return false;
	}
	return true;
}
