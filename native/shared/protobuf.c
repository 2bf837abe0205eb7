// The few protobuf pieces that we read and write: criu's RPC (images/rpc.proto) and its images.
#include "protobuf.h"
#include <stdlib.h>
#include <string.h>

static bool read_varint(const uint8_t **p, const uint8_t *end, uint64_t *value)
{
	*value = 0;
	for (int shift = 0; shift < 64 && *p < end; shift += 7) {
		uint8_t byte = *(*p)++;
		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) return true;
	}
	return false;
}

bool read_field(const uint8_t **p, const uint8_t *end, field *f)
{
	uint64_t tag, length = 0;
	const uint8_t *start = *p;
	if (!read_varint(p, end, &tag)) return false;
	f->number = (unsigned)(tag >> 3);
	f->type = tag & 7;
	f->encoded = *p;
	if (f->type == 0 && !read_varint(p, end, &f->value)) return false;
	if (f->type == 2 && !read_varint(p, end, &length)) return false;
	if (f->type == 1) length = 8;
	if (f->type == 5) length = 4;
	if (f->type != 0 && f->type != 1 && f->type != 2 && f->type != 5) return false;
	if (length > (uint64_t)(end - *p)) return false;
	f->content = (bytes){*p, (size_t)length};
	*p += length;
	f->whole = (bytes){start, (size_t)(*p - start)};
	return true;
}

static bool find_field(bytes message, unsigned number, unsigned type, field *found)
{
	const uint8_t *p = message.at, *end = p + message.length;
	bool any = false;
	while (p < end) {
		field f = {0};
		if (!read_field(&p, end, &f)) return false;
		if (f.number != number || f.type != type) continue;
		*found = f;
		any = true;
	}
	return any;
}

bool find_number(bytes message, unsigned number, uint64_t *value)
{
	field f;
	if (!find_field(message, number, 0, &f)) return false;
	*value = f.value;
	return true;
}

bool find_bytes(bytes message, unsigned number, bytes *value)
{
	field f;
	if (!find_field(message, number, 2, &f)) return false;
	*value = f.content;
	return true;
}

void put_raw(buffer *out, bytes value)
{
	if (out->failed || !value.length) return;
	if (out->length + value.length > out->size) {
		size_t size = 2 * (out->length + value.length);
		uint8_t *more = realloc(out->at, size);
		if (!more) {
			out->failed = true;
			return;
		}
		out->at = more;
		out->size = size;
	}
	memcpy(out->at + out->length, value.at, value.length);
	out->length += value.length;
}

static void put_varint(buffer *out, uint64_t value)
{
	uint8_t encoded[10];
	size_t n = 0;
	do {
		encoded[n] = (uint8_t)(value & 0x7f) | (value > 0x7f ? 0x80 : 0);
		value >>= 7;
		n++;
	} while (value);
	put_raw(out, (bytes){encoded, n});
}

void put_number(buffer *out, unsigned number, uint64_t value)
{
	put_varint(out, (uint64_t)number << 3);
	put_varint(out, value);
}

void put_bytes(buffer *out, unsigned number, bytes value)
{
	put_varint(out, (uint64_t)number << 3 | 2);
	put_varint(out, value.length);
	put_raw(out, value);
}

void copy_without(buffer *out, bytes message, unsigned number)
{
	const uint8_t *p = message.at, *end = p + message.length;
	while (p < end) {
		field f = {0};
		if (!read_field(&p, end, &f)) {
			out->failed = true;
			return;
		}
		if (f.number != number) put_raw(out, f.whole);
	}
}
