// What comes over the wire, read through a buffer, with the reason when it cannot go on.
#include "store-input.h"
#include "store-memory.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static ssize_t receive(int fd, void *out, size_t size)
{
	ssize_t n;
	do n = recv(fd, out, size, 0);
	while (n < 0 && errno == EINTR);
	return n;
}

size_t take(page_input *in, void *out, size_t size)
{
	size_t done = 0;
	while (done < size) {
		size_t ready = in->used - in->at < size - done ? in->used - in->at : size - done;
		memcpy((char *)out + done, in->input + in->at, ready);
		in->at += ready;
		done += ready;
		if (done == size) break;
		bool direct = size - done >= INPUT_SIZE / 4;
		ssize_t n = direct ? receive(in->fd, (char *)out + done, size - done) : receive(in->fd, in->input, INPUT_SIZE);
		if (n <= 0) break;
		if (direct) done += (size_t)n;
		else in->at = 0, in->used = (size_t)n;
	}
	return done;
}

outcome take_header(page_input *in, message *m)
{
	size_t size = take(in, m, sizeof *m);
	if (!size) return ENDED;
	return size == sizeof *m ? NEXT : cut_short(in);
}

outcome take_block(page_input *in, const message *m)
{
	uint32_t size;
	if (take(in, &size, sizeof size) != sizeof size) return cut_short(in);
	if (size > sizeof in->packed) return broken(in, "%u bytes are said to be %llu packed ones", size, (unsigned long long)m->length);
	if (take(in, in->packed, size) != size) return cut_short(in);
	if (LZ4_decompress_safe(in->packed, in->unpacked, (int)size, (int)m->length) == (int)m->length) return NEXT;
	return broken(in, "what was packed for %llx of owner %x is damaged", (unsigned long long)m->address, m->owner);
}

outcome broken(page_input *in, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(in->why, sizeof in->why, format, args);
	va_end(args);
	return BROKEN;
}

outcome cut_short(page_input *in)
{
	return broken(in, "the stream ended inside a message");
}

bool fits(uint64_t address, uint64_t length, uint64_t limit)
{
	return address % PAGE == 0 && length % PAGE == 0 && length > 0 && address < limit && length <= limit - address;
}

bool send_message(int fd, const message *m)
{
	const char *at = (const char *)m;
	for (size_t left = sizeof *m; left;) {
		ssize_t n = send(fd, at, left, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) return false;
		at += n;
		left -= (size_t)n;
	}
	return true;
}
