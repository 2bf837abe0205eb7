// Prints the TCP and UDP entries of this network namespace, all or those that touch given addresses or carry a mark.
#include "command.h"
#include "conntrack.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	const dump_request *request;
	unsigned count;
	int error;
} dump;

static bool touches(const flow *f, const address *ip)
{
	return same_address(&f->source, ip) || same_address(&f->destination, ip);
}

static bool is_asked_for(const dump_request *request, const flow *orig, const flow *reply)
{
	for (unsigned i = 0; i < request->only_count; i++)
		if (touches(orig, &request->only[i]) || touches(reply, &request->only[i])) return true;
	return !request->only_count;
}

// The state is 0 for UDP.
static bool is_over(const struct nlattr *const *tcp)
{
	uint8_t state = read_u8(tcp[CTA_PROTOINFO_TCP_STATE]);
	return state == TCP_CONNTRACK_TIME_WAIT || state == TCP_CONNTRACK_CLOSE;
}

static void print_entry(const struct nlattr *const *a, const struct nlattr *const *tcp, const flow *orig, const flow *reply, bool first)
{
	printf("%s\n{\"proto\":\"%s\",\"orig\":", first ? "" : ",", orig->protocol == IPPROTO_TCP ? "tcp" : "udp");
	print_flow(stdout, orig);
	fputs(",\"reply\":", stdout);
	print_flow(stdout, reply);
	printf(",\"status\":%u,\"mark\":%u,\"state\":%u,\"wscaleOrig\":%u,\"wscaleReply\":%u,\"timeout\":%u}", ntohl(read_u32(a[CTA_STATUS])),
	       ntohl(read_u32(a[CTA_MARK])), read_u8(tcp[CTA_PROTOINFO_TCP_STATE]), read_u8(tcp[CTA_PROTOINFO_TCP_WSCALE_ORIGINAL]),
	       read_u8(tcp[CTA_PROTOINFO_TCP_WSCALE_REPLY]), ntohl(read_u32(a[CTA_TIMEOUT])));
}

static bool on_entry(struct nlmsghdr *m, void *arg)
{
	dump *d = arg;
	const struct nlattr *a[CTA_MAX + 1], *info[CTA_PROTOINFO_MAX + 1], *tcp[CTA_PROTOINFO_TCP_MAX + 1];
	flow orig, reply;
	if (m->nlmsg_type == NLMSG_DONE) return false;
	if (m->nlmsg_type == NLMSG_ERROR) return d->error = -((struct nlmsgerr *)NLMSG_DATA(m))->error, false;
	read_message(a, CTA_MAX, m, 4);
	if (!read_flow(a[CTA_TUPLE_ORIG], &orig) || !read_flow(a[CTA_TUPLE_REPLY], &reply)) return true;
	if (!is_asked_for(d->request, &orig, &reply)) return true;
	read_nest(info, CTA_PROTOINFO_MAX, a[CTA_PROTOINFO]);
	read_nest(tcp, CTA_PROTOINFO_TCP_MAX, info[CTA_PROTOINFO_TCP]);
	if (d->request->open && is_over(tcp)) return true;
	print_entry(a, tcp, &orig, &reply, d->count++ == 0);
	return true;
}

static void ask(batch *b, const dump_request *request)
{
	begin_conntrack(b, request->only_count == 1 ? request->only[0].family : AF_UNSPEC, IPCTNL_MSG_CT_GET, NLM_F_DUMP);
	if (!request->mask) return;
	put_u32(b, CTA_MARK, htonl(request->mark));
	put_u32(b, CTA_MARK_MASK, htonl(request->mask));
}

int dump_conntrack(const dump_request *request)
{
	batch b = {0};
	dump d = {.request = request};
	int fd = open_netlink(NETLINK_NETFILTER);
	if (fd < 0) return complain("conntrack dump: opening netlink: %s", strerror(errno));
	ask(&b, request);
	while (request->wait && getchar() != EOF)
		;
	putchar('[');
	if (!send_batch(fd, &b) || !receive_messages(fd, on_entry, &d)) d.error = errno;
	puts("]");
	free_batch(&b);
	close(fd);
	return d.error ? complain("conntrack dump: %s", strerror(d.error)) : 0;
}
