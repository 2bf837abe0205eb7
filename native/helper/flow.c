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

bool read_flow(const struct nlattr *tuple, flow *out)
{
	const struct nlattr *parts[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *proto[CTA_PROTO_MAX + 1];
	if (!tuple) return false;
	read_nest(parts, CTA_TUPLE_MAX, tuple);
	read_nest(ip, CTA_IP_MAX, parts[CTA_TUPLE_IP]);
	read_nest(proto, CTA_PROTO_MAX, parts[CTA_TUPLE_PROTO]);
	if (!ip[CTA_IP_V4_SRC] || !ip[CTA_IP_V4_DST]) return false;
	out->source.s_addr = read_u32(ip[CTA_IP_V4_SRC]);
	out->destination.s_addr = read_u32(ip[CTA_IP_V4_DST]);
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
	put_attribute(b, CTA_IP_V4_SRC, &f->source, sizeof f->source);
	put_attribute(b, CTA_IP_V4_DST, &f->destination, sizeof f->destination);
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
	char source[INET_ADDRSTRLEN], destination[INET_ADDRSTRLEN];
	inet_ntop(AF_INET, &f->source, source, sizeof source);
	inet_ntop(AF_INET, &f->destination, destination, sizeof destination);
	fprintf(out, "[\"%s\",%u,\"%s\",%u]", source, f->source_port, destination, f->destination_port);
}
