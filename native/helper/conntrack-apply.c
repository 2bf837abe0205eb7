// Changes many conntrack entries in one netlink batch: while traffic waits there is no half-done state in between.
#include "command.h"
#include "conntrack.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_LIMIT = 65536, ESTABLISHED_SECONDS = 86400, UDP_SECONDS = 120 };

typedef struct {
	address ip;
	uint16_t port;
	bool given;
} endpoint;

typedef struct {
	flow f;
	endpoint snat, dnat;
	uint32_t mark, timeout;
	uint8_t wscale_orig, wscale_reply;
	bool insert, loosen;
} change;

typedef struct {
	unsigned line;
	bool insert;
} origin; // of each message, by sequence - 1

typedef struct {
	origin *of;
	unsigned count, left, errors;
} answers;

static bool parse_number(const char *text, unsigned long limit, unsigned long *out)
{
	char *end;
	if (!text || !*text || *text == '-') return false;
	*out = strtoul(text, &end, 0);
	return !*end && *out <= limit;
}

static bool parse_port(const char *text, uint16_t *out)
{
	unsigned long n;
	if (!parse_number(text, 65535, &n)) return false;
	*out = (uint16_t)n;
	return true;
}

static bool parse_endpoint(char *text, endpoint *out)
{
	if (!strcmp(text, "-")) return true;
	char *colon = strrchr(text, ':');
	if (!colon) return false;
	*colon = 0;
	out->given = true;
	bool bracketed = *text == '[' && colon[-1] == ']';
	if (bracketed) text++, colon[-1] = 0;
	return read_address(text, &out->ip) && bracketed == (out->ip.family == AF_INET6) && parse_port(colon + 1, &out->port);
}

static bool parse_setting(change *c, char *word)
{
	unsigned long n = 0;
	char *value = strchr(word, '=');
	if (!value) return false;
	*value++ = 0;
	if (!strcmp(word, "snat")) return parse_endpoint(value, &c->snat);
	if (!strcmp(word, "dnat")) return parse_endpoint(value, &c->dnat);
	if (!parse_number(value, UINT32_MAX, &n)) return false;
	if (!strcmp(word, "mark")) return c->mark = (uint32_t)n, true;
	if (!strcmp(word, "timeout")) return c->timeout = (uint32_t)n, true;
	if (n > 14) return false; // TCP's limit of a window scale
	if (!strcmp(word, "wo")) return c->wscale_orig = (uint8_t)n, true;
	if (!strcmp(word, "wr")) return c->wscale_reply = (uint8_t)n, true;
	return false;
}

static char *next_word(char **rest)
{
	char *word;
	do word = strsep(rest, " \t\r\n");
	while (word && !*word);
	return word;
}

static bool parse_flow(char **rest, flow *f)
{
	const char *protocol = next_word(rest), *source = next_word(rest), *sport = next_word(rest);
	const char *destination = next_word(rest), *dport = next_word(rest);
	if (!dport) return false;
	f->protocol = !strcmp(protocol, "tcp") ? IPPROTO_TCP : !strcmp(protocol, "udp") ? IPPROTO_UDP : 0;
	return f->protocol && read_address(source, &f->source) && parse_port(sport, &f->source_port) && read_address(destination, &f->destination) &&
	       parse_port(dport, &f->destination_port) && f->source.family == f->destination.family;
}

static bool fits(const endpoint *e, const flow *f)
{
	return !e->given || e->ip.family == f->source.family;
}

static bool parse_change(char *line, change *c)
{
	memset(c, 0, sizeof *c);
	const char *what = next_word(&line);
	if (strcmp(what, "D") && strcmp(what, "I") && strcmp(what, "L")) return false;
	if (!parse_flow(&line, &c->f)) return false;
	c->insert = *what == 'I';
	c->loosen = *what == 'L';
	if (c->loosen && c->f.protocol != IPPROTO_TCP) return false;
	c->timeout = c->f.protocol == IPPROTO_TCP ? ESTABLISHED_SECONDS : UDP_SECONDS;
	char *word;
	while ((word = next_word(&line)))
		if (!c->insert || !parse_setting(c, word)) return false;
	return fits(&c->snat, &c->f) && fits(&c->dnat, &c->f);
}

static void put_nat(batch *b, uint16_t type, const endpoint *e)
{
	uint16_t port = htons(e->port);
	if (!e->given) return;
	size_t nat = begin_nest(b, type);
	bool wide = e->ip.family == AF_INET6;
	put_attribute(b, wide ? CTA_NAT_V6_MINIP : CTA_NAT_V4_MINIP, e->ip.bytes, address_size(&e->ip));
	put_attribute(b, wide ? CTA_NAT_V6_MAXIP : CTA_NAT_V4_MAXIP, e->ip.bytes, address_size(&e->ip));
	size_t proto = begin_nest(b, CTA_NAT_PROTO);
	put_attribute(b, CTA_PROTONAT_PORT_MIN, &port, sizeof port);
	put_attribute(b, CTA_PROTONAT_PORT_MAX, &port, sizeof port);
	end_nest(b, proto);
	end_nest(b, nat);
}

// No window tracking: this node has not seen the connection's sequence numbers. The scales are kept all the same
// (the kernel drops them without WINDOW_SCALE on both sides), so that the entry can be carried on by a later move.
static void put_tcp(batch *b, const change *c)
{
	uint8_t scaled = c->wscale_orig || c->wscale_reply ? IP_CT_TCP_FLAG_WINDOW_SCALE : 0;
	uint8_t set = IP_CT_TCP_FLAG_SACK_PERM | IP_CT_TCP_FLAG_BE_LIBERAL | scaled;
	struct nf_ct_tcp_flags flags = {set, set};
	size_t info = begin_nest(b, CTA_PROTOINFO), tcp = begin_nest(b, CTA_PROTOINFO_TCP);
	put_u8(b, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
	put_u8(b, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, c->wscale_orig);
	put_u8(b, CTA_PROTOINFO_TCP_WSCALE_REPLY, c->wscale_reply);
	put_attribute(b, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &flags, sizeof flags);
	put_attribute(b, CTA_PROTOINFO_TCP_FLAGS_REPLY, &flags, sizeof flags);
	end_nest(b, tcp);
	end_nest(b, info);
}

// An entry that is there: from now on its window is not judged, because this node sees only half of the flow.
static void put_loosened(batch *b, const change *c)
{
	struct nf_ct_tcp_flags flags = {IP_CT_TCP_FLAG_BE_LIBERAL, IP_CT_TCP_FLAG_BE_LIBERAL};
	begin_conntrack(b, c->f.source.family, IPCTNL_MSG_CT_NEW, NLM_F_ACK);
	put_flow(b, CTA_TUPLE_ORIG, &c->f);
	size_t info = begin_nest(b, CTA_PROTOINFO), tcp = begin_nest(b, CTA_PROTOINFO_TCP);
	put_attribute(b, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &flags, sizeof flags);
	put_attribute(b, CTA_PROTOINFO_TCP_FLAGS_REPLY, &flags, sizeof flags);
	end_nest(b, tcp);
	end_nest(b, info);
}

// The reply tuple is the plain inverse; the kernel changes it by the NAT given. Any other
// reply tuple leaves the NAT status bits unset, and replies untranslated.
static void put_change(batch *b, const change *c)
{
	if (c->loosen) return put_loosened(b, c);
	begin_conntrack(b, c->f.source.family, c->insert ? IPCTNL_MSG_CT_NEW : IPCTNL_MSG_CT_DELETE, NLM_F_ACK | (c->insert ? NLM_F_CREATE | NLM_F_EXCL : 0));
	put_flow(b, CTA_TUPLE_ORIG, &c->f);
	if (!c->insert) return;
	flow reply = inverse_of(&c->f);
	put_flow(b, CTA_TUPLE_REPLY, &reply);
	put_nat(b, CTA_NAT_SRC, &c->snat);
	put_nat(b, CTA_NAT_DST, &c->dnat);
	put_u32(b, CTA_STATUS, htonl(IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED));
	put_u32(b, CTA_TIMEOUT, htonl(c->timeout));
	put_u32(b, CTA_MARK, htonl(c->mark));
	if (c->f.protocol == IPPROTO_TCP) put_tcp(b, c);
}

static bool on_answer(struct nlmsghdr *m, void *arg)
{
	answers *a = arg;
	if (m->nlmsg_type != NLMSG_ERROR) return true;
	int error = -((struct nlmsgerr *)NLMSG_DATA(m))->error;
	// Sequence 0 answers the whole datagram (not allowed, out of memory).
	unsigned at = m->nlmsg_seq;
	if (at == 0 || at > a->count) return errno = error ? error : EPROTO, a->left = UINT32_MAX, false;
	origin *of = &a->of[at - 1];
	if (error && !(error == ENOENT && !of->insert)) printf("%s{\"line\":%u,\"errno\":%d}", a->errors++ ? "," : "", of->line, error);
	return --a->left > 0;
}

static int send_changes(batch *b, answers *a)
{
	int fd = open_netlink(NETLINK_NETFILTER), error = 0;
	if (fd < 0) return complain("conntrack apply: opening netlink: %s", strerror(errno));
	a->left = a->count;
	printf("{\"errors\":[");
	if (a->count && (!send_batch(fd, b) || !receive_messages(fd, on_answer, a) || a->left)) error = errno ? errno : EIO;
	printf("],\"applied\":%u}\n", a->count - a->errors);
	close(fd);
	return error ? complain("conntrack apply: %s", strerror(error)) : 0;
}

// Lines are read and checked before anything is sent: a bad one changes nothing.
static int read_changes(FILE *lines, batch *b, answers *a)
{
	char line[1024];
	for (unsigned number = 1; fgets(line, sizeof line, lines); number++) {
		change c;
		if (line[strspn(line, " \t\r\n")] == 0) continue;
		if (number > LINE_LIMIT) return complain("conntrack apply: more than %d lines", LINE_LIMIT);
		if (!parse_change(line, &c)) return complain("conntrack apply: line %u: expected `D proto src sport dst dport`, `L tcp …` or `I … snat= dnat= mark= wo= wr=`", number);
		put_change(b, &c);
		a->of[a->count++] = (origin){number, c.insert};
	}
	return 0;
}

int apply_conntrack(FILE *lines)
{
	batch b = {0};
	answers a = {.of = calloc(LINE_LIMIT, sizeof(origin))};
	if (!a.of) return complain("conntrack apply: out of memory");
	int code = read_changes(lines, &b, &a);
	if (!code) code = send_changes(&b, &a);
	free_batch(&b);
	free(a.of);
	return code;
}
