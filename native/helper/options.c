// Options of TCP and UDP sockets as text, and back. criu carries those of SOL_SOCKET, NODELAY, CORK, keepalive's, TOS and TTL.
#include "options.h"
#include "repair.h"
#include "tcp.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONGESTION_SIZE = 16, UDP_LEVEL = 17, IP_LEVEL = 0, IPV6_LEVEL = 41, UDP_SEGMENT_SIZE = 103, UDP_RECEIVE_GRO = 104 };

typedef struct {
	int level, name;
} option;

static const option for_tcp[] = {{IPPROTO_TCP, TCP_USER_TIMEOUT}, {IPPROTO_TCP, TCP_NOTSENT_LOWAT}, {IPPROTO_TCP, TCP_LINGER2}, {IPPROTO_TCP, TCP_SYNCNT}, {0, 0}};
static const option for_listener[] = {{IPPROTO_TCP, TCP_DEFER_ACCEPT}, {IPPROTO_TCP, TCP_FASTOPEN}, {0, 0}};
// 33 IP_MULTICAST_TTL, 34 IP_MULTICAST_LOOP, 18 IPV6_MULTICAST_HOPS, 19 IPV6_MULTICAST_LOOP.
static const option for_udp[] = {{UDP_LEVEL, UDP_SEGMENT_SIZE}, {UDP_LEVEL, UDP_RECEIVE_GRO}, {IP_LEVEL, 33}, {IP_LEVEL, 34}, {0, 0}};
static const option for_udp6[] = {{IPV6_LEVEL, 18}, {IPV6_LEVEL, 19}, {0, 0}};
// IP_TTL and IP_TOS are criu's; 10 IP_MTU_DISCOVER, 11 RECVERR, 12 RECVTTL, 13 RECVTOS.
static const option for_ipv4[] = {{IP_LEVEL, 10}, {IP_LEVEL, 11}, {IP_LEVEL, 12}, {IP_LEVEL, 13}, {0, 0}};
// 23 MTU_DISCOVER, 25 RECVERR, 51 RECVHOPLIMIT, 66 RECVTCLASS.
static const option for_ipv6[] = {{IPV6_LEVEL, 23}, {IPV6_LEVEL, 25}, {IPV6_LEVEL, 51}, {IPV6_LEVEL, 66}, {0, 0}};

// A new socket of each kind, to compare with; one that cannot be made has no defaults, so all options are told.
static int fresh(int family, int protocol)
{
	static int made[2][2] = {{-1, -1}, {-1, -1}};
	int *fd = &made[family == AF_INET6][protocol == IPPROTO_UDP];
	if (*fd < 0) *fd = socket(family, (protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, protocol);
	return *fd;
}

// -1 is a value, too (LINGER2), so the answer is apart.
static bool read_option(int fd, const option *o, int *value)
{
	socklen_t size = sizeof *value;
	*value = 0;
	return getsockopt(fd, o->level, o->name, value, &size) == 0;
}

static void put_table(FILE *out, int fd, int ordinary, const option *table)
{
	for (const option *o = table; o->level || o->name; o++) {
		int value, usual = 0;
		if (!read_option(fd, o, &value)) continue;
		bool known = read_option(ordinary, o, &usual);
		if (!known || value != usual) fprintf(out, " %d:%d=%d", o->level, o->name, value);
	}
}

static bool read_congestion(int fd, char name[CONGESTION_SIZE + 1])
{
	socklen_t size = CONGESTION_SIZE;
	memset(name, 0, CONGESTION_SIZE + 1);
	return getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size) == 0;
}

static void put_tcp_options(FILE *out, int fd, int ordinary)
{
	char name[CONGESTION_SIZE + 1], usual[CONGESTION_SIZE + 1] = "";
	put_table(out, fd, ordinary, for_tcp);
	if (is_listener(fd)) put_table(out, fd, ordinary, for_listener);
	if (read_congestion(fd, name) && (!read_congestion(ordinary, usual) || strcmp(name, usual))) fprintf(out, " %d:%d=%s", IPPROTO_TCP, TCP_CONGESTION, name);
}

// No call lists a socket's groups, so each group of its network namespace is asked for (IP_MSFILTER knows only a member's).
static bool is_member(int fd, uint32_t group)
{
	struct ip_msfilter filter = {.imsf_multiaddr.s_addr = group};
	socklen_t size = sizeof filter;
	return getsockopt(fd, IPPROTO_IP, IP_MSFILTER, &filter, &size) == 0;
}

static void put_groups(FILE *out, int fd, pid_t pid)
{
	char path[64], line[256], text[INET_ADDRSTRLEN];
	uint32_t group;
	snprintf(path, sizeof path, "/proc/%d/net/igmp", (int)pid);
	FILE *groups = fopen(path, "re");
	while (groups && fgets(line, sizeof line, groups))
		// Below each device; written as the number that it is in memory.
		if (line[0] == '\t' && sscanf(line, " %8" SCNx32, &group) == 1 && is_member(fd, group))
			fprintf(out, " join=%s", inet_ntop(AF_INET, &group, text, sizeof text));
	if (groups) fclose(groups);
}

static void put_udp_options(FILE *out, int fd, int ordinary, int family, pid_t pid)
{
	put_table(out, fd, ordinary, for_udp);
	if (family == AF_INET6) put_table(out, fd, ordinary, for_udp6);
	put_groups(out, fd, pid);
}

// How many sockets with this key came before this one. Only those without a peer can be alike, which are few.
static unsigned alike_before(const char *key)
{
	static struct alike {
		struct alike *next;
		unsigned count;
		char key[KEY_SIZE];
	} *all;
	for (struct alike *one = all; one; one = one->next)
		if (!strcmp(one->key, key)) return one->count++;
	struct alike *first = calloc(1, sizeof *first);
	if (!first) abort();
	*first = (struct alike){.next = all, .count = 1};
	strcpy(first->key, key);
	all = first;
	return 0;
}

// Sockets are looked at in the order of processes and descriptors on both sides, so the second of its kind is the second there, too.
static bool key_of(int fd, int protocol, char key[KEY_SIZE])
{
	char local[END_SIZE] = "", remote[END_SIZE] = "";
	if (!local_end(fd, local)) return false;
	bool connected = remote_end(fd, remote);
	int length = snprintf(key, KEY_SIZE, "%s %s %s", protocol == IPPROTO_UDP ? "udp" : "tcp", local, connected ? remote : "-");
	unsigned before = connected ? 0 : alike_before(key);
	if (before) snprintf(key + length, KEY_SIZE - (size_t)length, "%u", before + 1);
	return true;
}

void print_options(FILE *out, int fd, int family, int protocol, pid_t pid)
{
	char key[KEY_SIZE], *text = NULL;
	size_t size = 0;
	FILE *all = open_memstream(&text, &size);
	if (!all) return;
	int ordinary = fresh(family, protocol);
	if (protocol == IPPROTO_TCP) put_tcp_options(all, fd, ordinary);
	else put_udp_options(all, fd, ordinary, family, pid);
	put_table(all, fd, ordinary, for_ipv4);
	if (family == AF_INET6) put_table(all, fd, ordinary, for_ipv6);
	fclose(all);
	if (key_of(fd, protocol, key) && size) fprintf(out, "%s\"%s%s\"", ftell(out) ? "," : "", key, text);
	free(text);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void sort_options(option_lines *lines)
{
	if (lines->count) qsort(lines->at, lines->count, sizeof *lines->at, by_text);
}

// The first line that is not before KEY.
static size_t place_of(const option_lines *lines, const char *key, size_t length)
{
	size_t low = 0, high = lines->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (strncmp(lines->at[middle], key, length) < 0) low = middle + 1;
		else high = middle;
	}
	return low;
}

static bool join_group(int fd, const char *text)
{
	struct ip_mreqn request = {0};
	return inet_pton(AF_INET, text, &request.imr_multiaddr) == 1 && setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request) == 0;
}

static bool set_word(int fd, const char *word)
{
	int level, name, number, end = 0;
	if (!strncmp(word, "join=", 5)) return join_group(fd, word + 5);
	if (sscanf(word, "%d:%d=%n", &level, &name, &end) != 2 || !end) return errno = EINVAL, false;
	const char *value = word + end;
	if (level == IPPROTO_TCP && name == TCP_CONGESTION) return setsockopt(fd, level, name, value, (socklen_t)strlen(value)) == 0;
	number = atoi(value);
	return setsockopt(fd, level, name, &number, sizeof number) == 0;
}

static void set_words(FILE *out, int fd, const char *key, char *words)
{
	char *rest;
	for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		if (!set_word(fd, word)) fprintf(out, "%s\"%s %.64s: %s\"", ftell(out) ? "," : "", key, word, strerror(errno));
}

void set_options(FILE *out, option_lines *lines, int fd, int protocol)
{
	char key[KEY_SIZE];
	if (!lines->count || !key_of(fd, protocol, key)) return;
	size_t length = strlen(key);
	// `-` sorts right before `-2`, and a port before a longer one, because a space comes before all that a key is made of.
	size_t i = place_of(lines, key, length);
	if (i < lines->count && !strncmp(lines->at[i], key, length) && lines->at[i][length] == ' ') set_words(out, fd, key, lines->at[i] + length);
}
