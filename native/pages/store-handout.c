// Hands the filled segments out to criu's preload.
#include "store-handout.h"
#include "handout.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool send_segment(int connection, const segment *g)
{
	handout_segment record = {g->id, g->size};
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec part = {&record, sizeof record};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof g->fd);
	memcpy(CMSG_DATA(c), &g->fd, sizeof g->fd);
	ssize_t n;
	do n = sendmsg(connection, &header, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof record;
}

static bool send_segments(const store *s, int connection)
{
	handout_header header = {HANDOUT_MAGIC, (uint32_t)count_segments(&s->segments)};
	if (send(connection, &header, sizeof header, MSG_NOSIGNAL) != sizeof header) return false;
	for (size_t i = 0; i < s->segments.count; i++)
		if (s->segments.at[i].fd >= 0 && !send_segment(connection, &s->segments.at[i])) return false;
	return true;
}

void hand_out_segments(store *s, int fd)
{
	pthread_mutex_lock(&s->lock);
	bool ready = s->state == READY;
	if (ready) s->handed_out = true;
	pthread_mutex_unlock(&s->lock);
	if (!ready) return;
	// Before the first byte goes: criu connects as soon as it has them all, and serving begins no sooner.
	await_restore(s);
	if (!send_segments(s, fd)) note(s, "handing out the segments: criu's preload went away");
}

void end_store(store *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->state == SERVING) pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	exit(0);
}
