// One direction of a connection, as conntrack's tuples have it.
#include "flow.h"
#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

static uint16_t read_port(const struct nlattr *a)
{
	uint16_t port = 0;
	if (a && attribute_size(a) >= sizeof port) memcpy(&port, attribute_data(a), sizeof port);
	return ntohs(port);
}

static bool take_address(const struct nlattr *a, bool wide, address *out)
{
	memset(out, 0, sizeof *out);
	out->family = wide ? AF_INET6 : AF_INET;
	if (!a || attribute_size(a) < address_size(out)) return false;
	memcpy(out->bytes, attribute_data(a), address_size(out));
	return true;
}

bool read_flow(const struct nlattr *tuple, flow *out)
{
	const struct nlattr *parts[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *proto[CTA_PROTO_MAX + 1];
	if (!tuple) return false;
	read_nest(parts, CTA_TUPLE_MAX, tuple);
	read_nest(ip, CTA_IP_MAX, parts[CTA_TUPLE_IP]);
	read_nest(proto, CTA_PROTO_MAX, parts[CTA_TUPLE_PROTO]);
	bool wide = ip[CTA_IP_V6_SRC] != NULL;
	if (!take_address(ip[wide ? CTA_IP_V6_SRC : CTA_IP_V4_SRC], wide, &out->source)) return false;
	if (!take_address(ip[wide ? CTA_IP_V6_DST : CTA_IP_V4_DST], wide, &out->destination)) return false;
	out->protocol = read_u8(proto[CTA_PROTO_NUM]);
	out->source_port = read_port(proto[CTA_PROTO_SRC_PORT]);
	out->destination_port = read_port(proto[CTA_PROTO_DST_PORT]);
	return out->protocol == IPPROTO_TCP || out->protocol == IPPROTO_UDP;
}

static void put_port(batch *b, uint16_t type, uint16_t port)
{
	uint16_t network = htons(port);
	put_attribute(b, type, &network, sizeof network);
}

void put_flow(batch *b, uint16_t type, const flow *f)
{
	size_t tuple = begin_nest(b, type), ip = begin_nest(b, CTA_TUPLE_IP);
	bool wide = f->source.family == AF_INET6;
	put_attribute(b, wide ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, f->source.bytes, address_size(&f->source));
	put_attribute(b, wide ? CTA_IP_V6_DST : CTA_IP_V4_DST, f->destination.bytes, address_size(&f->destination));
	end_nest(b, ip);
	size_t proto = begin_nest(b, CTA_TUPLE_PROTO);
	put_u8(b, CTA_PROTO_NUM, f->protocol);
	put_port(b, CTA_PROTO_SRC_PORT, f->source_port);
	put_port(b, CTA_PROTO_DST_PORT, f->destination_port);
	end_nest(b, proto);
	end_nest(b, tuple);
}

flow inverse_of(const flow *f)
{
	return (flow){f->destination, f->source, f->destination_port, f->source_port, f->protocol};
}

void print_flow(FILE *out, const flow *f)
{
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	fprintf(out, "[\"%s\",%u,\"%s\",%u]", print_address(source, &f->source), f->source_port, print_address(destination, &f->destination),
		f->destination_port);
}
