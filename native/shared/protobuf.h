// The few protobuf pieces that we read and write: criu's RPC (images/rpc.proto) and its images.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// criu_req_type
enum { CRIU_DUMP = 1, CRIU_RESTORE = 2, CRIU_PRE_DUMP = 4, CRIU_NOTIFY = 6, CRIU_SINGLE_PRE_DUMP = 13 };

typedef struct {
	const uint8_t *at;
	size_t length;
} bytes;

typedef struct {
	unsigned number, type;
	uint64_t value;         // varint
	const uint8_t *encoded; // where that stands
	bytes content;          // length-delimited
	bytes whole;            // with its tag
} field;

// The field at *P, which moves behind it; false at one that is cut or of an unknown type.
bool read_field(const uint8_t **p, const uint8_t *end, field *f);
// Last occurrence of FIELD, as protobuf decides for scalars.
bool find_number(bytes message, unsigned field, uint64_t *value);
bool find_bytes(bytes message, unsigned field, bytes *value);

typedef struct {
	uint8_t *at;
	size_t length, size;
	bool failed;
} buffer;

void put_number(buffer *out, unsigned field, uint64_t value);
void put_bytes(buffer *out, unsigned field, bytes value);
// The message without FIELD.
void copy_without(buffer *out, bytes message, unsigned field);
void put_raw(buffer *out, bytes value);
