// Writes messages to the store: small ones are gathered, large contents go straight out.
#include "track-stream.h"
#include "track-answer.h"
#include "track-kernel.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

static void flush_out(page_stream *s, const void *data, size_t length)
{
	const char *at = data;
	while (length) {
		ssize_t n = write(s->fd, at, length);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) stop_with("sending pages to the destination's store: %s", n ? strerror(errno) : "it takes nothing");
		at += n;
		length -= (size_t)n;
	}
}

void flush_stream(page_stream *s)
{
	flush_out(s, s->buffer, s->used);
	s->used = 0;
}

void send_payload(page_stream *s, const void *data, size_t length)
{
	if (s->used + length > STREAM_BUFFER) flush_stream(s);
	if (length > STREAM_BUFFER / 4) {
		flush_stream(s);
		flush_out(s, data, length);
		return;
	}
	memcpy(s->buffer + s->used, data, length);
	s->used += length;
}

void send_header(page_stream *s, message_type type, uint32_t owner, uint64_t address, uint64_t length)
{
	message m = {.type = type, .owner = owner, .address = address, .length = length};
	send_payload(s, &m, sizeof m);
}

static bool is_zero_page(const char *page)
{
	const uint64_t *word = (const uint64_t *)page;
	for (int i = 0; i < PAGE / 8; i += 8)
		if (word[i] | word[i + 1] | word[i + 2] | word[i + 3] | word[i + 4] | word[i + 5] | word[i + 6] | word[i + 7]) return false;
	return true;
}

static void send_contents(page_stream *s, uint32_t owner, uint64_t address, const char *data, size_t length)
{
	s->bytes += length;
	if (!s->packer) {
		send_header(s, PAGES_DATA, owner, address, length);
		send_payload(s, data, length);
		s->sent += length;
		return;
	}
	for (size_t at = 0, part; at < length; at += part) {
		const void *packed;
		part = length - at < PACK_BYTES ? length - at : PACK_BYTES;
		uint32_t size = (uint32_t)pack(s->packer, data + at, part, &packed);
		send_header(s, size ? PAGES_PACKED : PAGES_DATA, owner, address + at, part);
		if (size) send_payload(s, &size, sizeof size);
		send_payload(s, size ? packed : data + at, size ? size : part);
		s->sent += size ? size : part;
	}
}

void send_pages(page_stream *s, uint32_t owner, uint64_t address, const void *data, size_t length)
{
	const char *at = data;
	for (size_t from = 0, to; from < length; from = to) {
		bool zero = is_zero_page(at + from);
		for (to = from + PAGE; to < length && is_zero_page(at + to) == zero; to += PAGE) continue;
		if (!zero) send_contents(s, owner, address + from, at + from, to - from);
		else send_header(s, PAGES_ZERO, owner, address + from, to - from), s->zero_pages += (to - from) / PAGE;
		s->pages += (to - from) / PAGE;
	}
}

void send_pairs(page_stream *s, message_type type, uint32_t owner, const void *pairs, size_t count)
{
	send_header(s, type, owner, 0, 16 * (uint64_t)count);
	if (count) send_payload(s, pairs, 16 * count);
}

static void read_answer(page_stream *s, message *m)
{
	for (size_t have = 0; have < sizeof *m;) {
		ssize_t n = read(s->fd, (char *)m + have, sizeof *m - have);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) stop_with("waiting for the destination's store: %s", n ? strerror(errno) : "it ended the stream");
		have += (size_t)n;
	}
}

uint64_t send_and_wait(page_stream *s, message_type type)
{
	message answer;
	send_header(s, type, 0, 0, 0);
	flush_stream(s);
	read_answer(s, &answer);
	if (answer.type != type) stop_with("waiting for the destination's store: it answered type %u to type %u", answer.type, (unsigned)type);
	return answer.address;
}

void reset_counters(page_stream *s)
{
	s->bytes = s->sent = s->pages = s->zero_pages = 0;
}
