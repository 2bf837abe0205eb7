// The messages to the store (wire.h), written through one buffer.
#pragma once
#include "track-pack.h"
#include "wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STREAM_BUFFER = 256 << 10 };

typedef struct {
	int fd;
	size_t used;
	packer *packer; // NULL: the store takes contents only as they are
	uint64_t bytes, sent, pages, zero_pages; // since the last reset_counters; sent: what the bytes became on the way
	char buffer[STREAM_BUFFER];
} page_stream;

// All of them end the program, with a JSON line that says why, when the stream breaks: the agent dumps in full or rolls back.
void send_header(page_stream *s, message_type type, uint32_t owner, uint64_t address, uint64_t length);
void send_payload(page_stream *s, const void *data, size_t length);
// Whole pages at ADDRESS; those that are all zero go without contents.
void send_pages(page_stream *s, uint32_t owner, uint64_t address, const void *data, size_t length);
// A type whose payload is pairs of addresses.
void send_pairs(page_stream *s, message_type type, uint32_t owner, const void *pairs, size_t count);
// Sends TYPE and waits for the store's answer to it; the answer's address.
uint64_t send_and_wait(page_stream *s, message_type type);
void flush_stream(page_stream *s);
void reset_counters(page_stream *s);
