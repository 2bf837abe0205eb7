// Netlink messages: building, sending one batch, and reading answers.
#include "netlink.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// One datagram of a dump; the kernel fills up to 32 KiB.
enum { DATAGRAM = 64 << 10, QUEUE = 64 << 20 };

static void *grow(batch *b, size_t size)
{
	size_t aligned = NLMSG_ALIGN(size);
	if (b->length + aligned > b->size) {
		size_t wanted = 2 * (b->length + aligned);
		char *more = realloc(b->at, wanted);
		if (!more) abort(); // a batch is a few kilobytes
		b->at = more;
		b->size = wanted;
	}
	void *p = b->at + b->length;
	memset(p, 0, aligned);
	b->length += aligned;
	return p;
}

static void set_length(batch *b)
{
	uint32_t length = (uint32_t)(b->length - b->message);
	memcpy(b->at + b->message, &length, sizeof length);
}

void begin_message(batch *b, uint16_t type, uint16_t flags, const void *header, size_t size)
{
	b->message = b->length;
	struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = ++b->sequence};
	memcpy(grow(b, sizeof h), &h, sizeof h);
	memcpy(grow(b, size), header, size);
	set_length(b);
}

void put_attribute(batch *b, uint16_t type, const void *value, size_t size)
{
	struct nlattr a = {.nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = type};
	char *p = grow(b, NLA_HDRLEN + size);
	memcpy(p, &a, sizeof a);
	if (size) memcpy(p + NLA_HDRLEN, value, size);
	set_length(b);
}

void put_u8(batch *b, uint16_t type, uint8_t value)
{
	put_attribute(b, type, &value, sizeof value);
}

void put_u32(batch *b, uint16_t type, uint32_t value)
{
	put_attribute(b, type, &value, sizeof value);
}

size_t begin_nest(batch *b, uint16_t type)
{
	size_t nest = b->length;
	put_attribute(b, type | NLA_F_NESTED, NULL, 0);
	return nest;
}

void end_nest(batch *b, size_t nest)
{
	uint16_t length = (uint16_t)(b->length - nest);
	memcpy(b->at + nest, &length, sizeof length);
}

void free_batch(batch *b)
{
	free(b->at);
	memset(b, 0, sizeof *b);
}

int open_netlink(int protocol)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), one = 1, queue = QUEUE;
	struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	if (fd < 0) return -1;
	if (bind(fd, (struct sockaddr *)&self, sizeof self)) return close(fd), -1;
	// Thousands of acknowledgements of one batch arrive before the first is read; without room they are ENOBUFS.
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof queue)) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof queue);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &queue, sizeof queue)) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &queue, sizeof queue);
	// Errors would quote the whole request.
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
	return fd;
}

bool send_batch(int fd, const batch *b)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	return sendto(fd, b->at, b->length, 0, (struct sockaddr *)&kernel, sizeof kernel) == (ssize_t)b->length;
}

bool receive_messages(int fd, bool (*on_message)(struct nlmsghdr *, void *), void *arg)
{
	char *datagram = malloc(DATAGRAM);
	bool more = true, ok = datagram != NULL;
	while (ok && more) {
		ssize_t n = recv(fd, datagram, DATAGRAM, 0);
		if (n < 0 && errno == EINTR) continue;
		ok = n > 0;
		int left = (int)n;
		struct nlmsghdr *m = (struct nlmsghdr *)datagram;
		for (; ok && more && NLMSG_OK(m, (unsigned)left); m = NLMSG_NEXT(m, left)) more = on_message(m, arg);
	}
	int saved = errno;
	free(datagram);
	errno = saved;
	return ok;
}

typedef struct {
	uint32_t left;
	int tolerated, error;
} acknowledgements;

static bool on_acknowledgement(struct nlmsghdr *m, void *arg)
{
	acknowledgements *a = arg;
	if (m->nlmsg_type != NLMSG_ERROR) return true;
	int error = -((struct nlmsgerr *)NLMSG_DATA(m))->error;
	if (error && error != a->tolerated && !a->error) a->error = error;
	return --a->left > 0;
}

int talk(int fd, batch *b, int tolerated)
{
	acknowledgements a = {.left = b->sequence, .tolerated = tolerated};
	if (!send_batch(fd, b) || !receive_messages(fd, on_acknowledgement, &a)) return errno;
	return a.error;
}

void read_attributes(const struct nlattr *table[], int limit, const void *at, size_t length)
{
	const char *p = at, *end = p + length;
	memset(table, 0, sizeof *table * (size_t)(limit + 1));
	while (end - p >= (ptrdiff_t)sizeof(struct nlattr)) {
		const struct nlattr *a = (const struct nlattr *)p;
		if (a->nla_len < sizeof *a || a->nla_len > end - p) return;
		int type = a->nla_type & NLA_TYPE_MASK;
		if (type <= limit) table[type] = a;
		if (NLA_ALIGN(a->nla_len) > end - p) return;
		p += NLA_ALIGN(a->nla_len);
	}
}

void read_message(const struct nlattr *table[], int limit, const struct nlmsghdr *message, size_t header)
{
	size_t skip = NLMSG_LENGTH(NLMSG_ALIGN(header));
	size_t length = message->nlmsg_len > skip ? message->nlmsg_len - skip : 0;
	read_attributes(table, limit, (const char *)message + skip, length);
}

const void *attribute_data(const struct nlattr *a)
{
	return (const char *)a + NLA_HDRLEN;
}

size_t attribute_size(const struct nlattr *a)
{
	return a->nla_len - NLA_HDRLEN;
}

void read_nest(const struct nlattr *table[], int limit, const struct nlattr *nest)
{
	if (nest) read_attributes(table, limit, attribute_data(nest), attribute_size(nest));
	else memset(table, 0, sizeof *table * (size_t)(limit + 1));
}

uint8_t read_u8(const struct nlattr *a)
{
	return a && attribute_size(a) >= 1 ? *(const uint8_t *)attribute_data(a) : 0;
}

uint32_t read_u32(const struct nlattr *a)
{
	uint32_t value = 0;
	if (a && attribute_size(a) >= sizeof value) memcpy(&value, attribute_data(a), sizeof value);
	return value;
}
