// One SEQPACKET message with the descriptors that travel with it.
#include "packet.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	char space[CMSG_SPACE(sizeof(int) * PACKET_FDS)];
	struct cmsghdr align;
};

static void take_descriptors(struct msghdr *header, packet *out)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n && out->fd_count < PACKET_FDS; i++)
			memcpy(&out->fds[out->fd_count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

packet_result receive_packet(int socket, packet *out)
{
	memset(out, 0, sizeof *out);
	// A request with many mounts is larger than any fixed buffer: its size first.
	ssize_t size = recv(socket, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	if (size < 0) return errno == EAGAIN || errno == EINTR ? PACKET_NONE : PACKET_END;
	if (size == 0) return PACKET_END;
	out->at = malloc((size_t)size);
	if (!out->at) return PACKET_END;
	union control control;
	struct iovec part = {out->at, (size_t)size};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
	ssize_t n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n > 0) {
		out->length = (size_t)n;
		take_descriptors(&header, out);
		return PACKET_READ;
	}
	free_packet(out);
	return PACKET_END;
}

static void put_descriptors(struct msghdr *header, const packet *p)
{
	header->msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)p->fd_count);
	struct cmsghdr *c = CMSG_FIRSTHDR(header);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)p->fd_count);
	memcpy(CMSG_DATA(c), p->fds, sizeof(int) * (size_t)p->fd_count);
}

bool send_packet(int socket, const packet *p)
{
	union control control;
	memset(&control, 0, sizeof control);
	struct iovec part = {p->at, p->length};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space};
	if (p->fd_count) put_descriptors(&header, p);
	else header.msg_control = NULL;
	ssize_t n;
	do n = sendmsg(socket, &header, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)p->length;
}

bool send_message(int socket, bytes message)
{
	packet p = {.at = (uint8_t *)message.at, .length = message.length};
	return send_packet(socket, &p);
}

void free_packet(packet *p)
{
	free(p->at);
	for (int i = 0; i < p->fd_count; i++) close(p->fds[i]);
	memset(p, 0, sizeof *p);
}

bytes packet_bytes(const packet *p)
{
	return (bytes){p->at, p->length};
}
