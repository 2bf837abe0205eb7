// One TCP socket: its state, ends, and the sequence numbers that must be the same after the move.
#include "tcp.h"
#include "repair.h"
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

// linux/tcp.h's enum of states is in net/tcp_states.h, which is not exported.
enum { LISTEN = 10, NEW_SYN_RECV = 12 };
static const char *const states[] = {"UNKNOWN", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
				     "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECV"};

typedef struct {
	uint32_t send, receive;
	bool known;
} sequences;

static int state_of(int fd)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof info;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size)) return 0;
	return info.tcpi_state <= NEW_SYN_RECV ? info.tcpi_state : 0;
}

static bool set(int fd, int name, int value)
{
	return setsockopt(fd, IPPROTO_TCP, name, &value, sizeof value) == 0;
}

static bool read_queue(int fd, int queue, uint32_t *out)
{
	socklen_t size = sizeof *out;
	return set(fd, TCP_REPAIR_QUEUE, queue) && getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, out, &size) == 0;
}

// With the send queue chosen the kernel would take data as sent without sending it:
// it is chosen for one call only, and none is chosen afterwards.
static sequences read_both(int fd, int queue_after)
{
	sequences s = {0};
	s.known = read_queue(fd, TCP_SEND_QUEUE, &s.send);
	s.known = read_queue(fd, TCP_RECV_QUEUE, &s.receive) && s.known;
	set(fd, TCP_REPAIR_QUEUE, queue_after);
	return s;
}

// A socket in repair already (restored, at the gate) is criu's: it stays in repair, with its queue choice.
// Otherwise repair goes on for the reading and off without a window probe, which would be a packet on the wire.
static sequences read_sequences(int fd)
{
	if (socket_option(fd, IPPROTO_TCP, TCP_REPAIR) == 1) {
		int queue = socket_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE);
		return read_both(fd, queue < 0 ? TCP_NO_QUEUE : queue);
	}
	// Repair changes sk_reuse, and its end sets it to 0: SO_REUSEADDR must be put back or the move loses it.
	int reuse = socket_option(fd, SOL_SOCKET, SO_REUSEADDR);
	if (!set(fd, TCP_REPAIR, TCP_REPAIR_ON)) return (sequences){0};
	sequences s = read_both(fd, TCP_NO_QUEUE);
	set(fd, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
	if (reuse > 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
	return s;
}

static bool put_end(const struct sockaddr_storage *end, char text[END_SIZE])
{
	char ip[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *in = (const struct sockaddr_in *)end;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)end;
	if (end->ss_family == AF_INET) snprintf(text, END_SIZE, "%s:%u", inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip), ntohs(in->sin_port));
	else snprintf(text, END_SIZE, "[%s]:%u", inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip), ntohs(in6->sin6_port));
	return true;
}

bool local_end(int fd, char text[END_SIZE])
{
	struct sockaddr_storage end = {0};
	socklen_t size = sizeof end;
	return getsockname(fd, (struct sockaddr *)&end, &size) == 0 && put_end(&end, text);
}

bool remote_end(int fd, char text[END_SIZE])
{
	struct sockaddr_storage end = {0};
	socklen_t size = sizeof end;
	return getpeername(fd, (struct sockaddr *)&end, &size) == 0 && put_end(&end, text);
}

static void print_end(const char *key, int fd, bool (*end_of)(int, char *))
{
	char text[END_SIZE];
	if (end_of(fd, text)) printf(",\"%s\":\"%s\"", key, text);
	else printf(",\"%s\":null", key);
}

static int queued(int fd, unsigned long request)
{
	int n = 0;
	return ioctl(fd, request, &n) ? 0 : n;
}

bool is_listener(int fd)
{
	return state_of(fd) == LISTEN;
}

void print_tcp(int fd, uint64_t inode, int family, bool first)
{
	int state = state_of(fd);
	printf("%s\n{\"inode\":%" PRIu64 ",\"family\":%d,\"state\":\"%s\"", first ? "" : ",", inode, family == AF_INET ? 4 : 6, states[state]);
	print_end("local", fd, local_end);
	print_end("remote", fd, remote_end);
	sequences s = {0};
	bool connected = state && state != LISTEN && strcmp(states[state], "CLOSE");
	if (connected) s = read_sequences(fd);
	if (s.known)
		printf(",\"sndSeq\":%u,\"rcvSeq\":%u,\"sndQueue\":%d,\"rcvQueue\":%d", s.send, s.receive, queued(fd, SIOCOUTQ), queued(fd, SIOCINQ));
	putchar('}');
}
