// What an interface has: its global addresses, and the one gateway that everything beyond it goes by.
#include "listing.h"
#include "netlink.h"
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

typedef struct {
	unsigned index;
	addressing *out;
	const address *wanted;
	bool found;
	int error;
} listing;

static address address_of(uint8_t family, const struct nlattr *a)
{
	address ip = {.family = family};
	if (a && attribute_size(a) == address_size(&ip)) memcpy(ip.bytes, attribute_data(a), address_size(&ip));
	else ip.family = 0;
	return ip;
}

static bool is_end(const struct nlmsghdr *m, listing *l)
{
	if (m->nlmsg_type == NLMSG_ERROR) l->error = -((const struct nlmsgerr *)NLMSG_DATA(m))->error;
	return m->nlmsg_type == NLMSG_ERROR || m->nlmsg_type == NLMSG_DONE;
}

static bool on_address(struct nlmsghdr *m, void *arg)
{
	listing *l = arg;
	const struct nlattr *a[IFA_MAX + 1];
	if (is_end(m, l)) return false;
	const struct ifaddrmsg *header = NLMSG_DATA(m);
	if (m->nlmsg_type != RTM_NEWADDR || header->ifa_index != l->index || header->ifa_scope != RT_SCOPE_UNIVERSE) return true;
	read_message(a, IFA_MAX, m, sizeof *header);
	address ip = address_of(header->ifa_family, a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS]);
	if (l->wanted && ip.family && same_address(l->wanted, &ip)) l->found = true;
	if (!l->out) return true;
	l->out->ip = ip;
	l->out->prefix = header->ifa_prefixlen;
	l->out->count++;
	return true;
}

static void take_gateway(const struct rtmsg *header, const struct nlattr *a[], addressing *out)
{
	address gateway = address_of(header->rtm_family, a[RTA_GATEWAY]);
	// A route without one is the kernel's own, of an address.
	if (!a[RTA_GATEWAY]) {
		out->is_odd |= header->rtm_protocol != RTPROT_KERNEL;
		return;
	}
	if (!gateway.family || a[RTA_METRICS] || (out->gateway.family && !same_address(&out->gateway, &gateway))) {
		out->is_odd = true;
		return;
	}
	out->gateway = gateway;
	out->has_default |= header->rtm_dst_len == 0;
}

static bool on_route(struct nlmsghdr *m, void *arg)
{
	listing *l = arg;
	const struct nlattr *a[RTA_MAX + 1];
	if (is_end(m, l)) return false;
	const struct rtmsg *header = NLMSG_DATA(m);
	if (m->nlmsg_type != RTM_NEWROUTE || header->rtm_type != RTN_UNICAST) return true;
	read_message(a, RTA_MAX, m, sizeof *header);
	if (a[RTA_MULTIPATH] || a[RTA_VIA] || a[RTA_ENCAP]) l->out->is_odd = true;
	else if (read_u32(a[RTA_OIF]) == l->index) take_gateway(header, a, l->out);
	return true;
}

static int list(int fd, uint16_t type, uint8_t family, bool (*on_message)(struct nlmsghdr *, void *), listing *l)
{
	batch b = {0};
	struct ifaddrmsg addresses = {.ifa_family = family};
	struct rtmsg routes = {.rtm_family = family};
	if (type == RTM_GETADDR) begin_message(&b, type, NLM_F_DUMP, &addresses, sizeof addresses);
	else begin_message(&b, type, NLM_F_DUMP, &routes, sizeof routes);
	bool ok = send_batch(fd, &b) && receive_messages(fd, on_message, l);
	free_batch(&b);
	return ok ? l->error : errno;
}

int get_addressing(int fd, uint8_t family, unsigned index, addressing *out)
{
	listing l = {.index = index, .out = out};
	memset(out, 0, sizeof *out);
	int error = list(fd, RTM_GETADDR, family, on_address, &l);
	return error ? error : list(fd, RTM_GETROUTE, family, on_route, &l);
}

bool has_address(int fd, unsigned index, const address *ip)
{
	listing l = {.index = index, .wanted = ip};
	return !list(fd, RTM_GETADDR, ip->family, on_address, &l) && l.found;
}
