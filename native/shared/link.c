// What an attachment does by rtnetlink: each call one message, 0 or an errno.
#include "link.h"
#include "netlink.h"
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

static int finish(int fd, batch *b, int tolerated)
{
	int error = talk(fd, b, tolerated);
	free_batch(b);
	return error;
}

typedef struct {
	link_info *out;
	int error;
} link_reply;

static bool on_link(struct nlmsghdr *m, void *arg)
{
	link_reply *reply = arg;
	const struct nlattr *a[IFLA_MAX + 1];
	if (m->nlmsg_type == NLMSG_ERROR) return reply->error = -((struct nlmsgerr *)NLMSG_DATA(m))->error, false;
	if (m->nlmsg_type != RTM_NEWLINK) return true;
	read_message(a, IFLA_MAX, m, sizeof(struct ifinfomsg));
	link_info *out = reply->out;
	out->index = (unsigned)((struct ifinfomsg *)NLMSG_DATA(m))->ifi_index;
	out->peer = read_u32(a[IFLA_LINK]);
	out->master = read_u32(a[IFLA_MASTER]);
	out->mtu = read_u32(a[IFLA_MTU]);
	if (a[IFLA_ADDRESS] && attribute_size(a[IFLA_ADDRESS]) == 6) memcpy(out->mac, attribute_data(a[IFLA_ADDRESS]), 6);
	if (a[IFLA_IFNAME]) strncpy(out->name, attribute_data(a[IFLA_IFNAME]), sizeof out->name - 1);
	reply->error = 0;
	return false;
}

int get_link(int fd, const char *name, unsigned index, link_info *out)
{
	batch b = {0};
	struct ifinfomsg header = {.ifi_index = (int)index};
	link_reply reply = {out, EIO};
	memset(out, 0, sizeof *out);
	begin_message(&b, RTM_GETLINK, 0, &header, sizeof header);
	if (name) put_attribute(&b, IFLA_IFNAME, name, strlen(name) + 1);
	bool ok = send_batch(fd, &b) && receive_messages(fd, on_link, &reply);
	free_batch(&b);
	return ok ? reply.error : errno;
}

static int set_link(int fd, unsigned index, uint16_t attribute, uint32_t value)
{
	batch b = {0};
	struct ifinfomsg header = {.ifi_index = (int)index};
	begin_message(&b, RTM_SETLINK, NLM_F_ACK, &header, sizeof header);
	put_u32(&b, attribute, value);
	return finish(fd, &b, 0);
}

int set_mtu(int fd, unsigned index, unsigned mtu)
{
	return set_link(fd, index, IFLA_MTU, mtu);
}

int leave_bridge(int fd, unsigned index)
{
	return set_link(fd, index, IFLA_MASTER, 0);
}

int join_bridge(int fd, unsigned index, unsigned bridge)
{
	return set_link(fd, index, IFLA_MASTER, bridge);
}

int set_mac(int fd, unsigned index, const unsigned char mac[6])
{
	batch b = {0};
	struct ifinfomsg header = {.ifi_index = (int)index};
	begin_message(&b, RTM_SETLINK, NLM_F_ACK, &header, sizeof header);
	put_attribute(&b, IFLA_ADDRESS, mac, 6);
	return finish(fd, &b, 0);
}

static int change_address(int fd, uint16_t type, uint16_t flags, struct ifaddrmsg header, const address *ip, int tolerated)
{
	batch b = {0};
	header.ifa_family = ip->family;
	begin_message(&b, type, flags | NLM_F_ACK, &header, sizeof header);
	put_attribute(&b, IFA_LOCAL, ip->bytes, address_size(ip));
	put_attribute(&b, IFA_ADDRESS, ip->bytes, address_size(ip));
	return finish(fd, &b, tolerated);
}

// An ADD that is tried again finds its own address there. Nobody else is asked whether he has it: the pod has, on the source.
int add_address(int fd, unsigned index, const address *ip, unsigned prefix)
{
	uint8_t flags = ip->family == AF_INET6 ? IFA_F_NODAD : 0;
	struct ifaddrmsg header = {.ifa_prefixlen = (uint8_t)prefix, .ifa_index = index, .ifa_flags = flags};
	return change_address(fd, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, header, ip, EEXIST);
}

int delete_address(int fd, unsigned index, const address *ip, unsigned prefix)
{
	struct ifaddrmsg header = {.ifa_prefixlen = (uint8_t)prefix, .ifa_index = index};
	return change_address(fd, RTM_DELADDR, 0, header, ip, EADDRNOTAVAIL);
}

static int replace_route(int fd, unsigned index, struct rtmsg header, uint16_t attribute, const address *ip)
{
	batch b = {0};
	header.rtm_family = ip->family;
	header.rtm_table = RT_TABLE_MAIN;
	header.rtm_protocol = RTPROT_STATIC;
	header.rtm_type = RTN_UNICAST;
	begin_message(&b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, &header, sizeof header);
	put_attribute(&b, attribute, ip->bytes, address_size(ip));
	put_u32(&b, RTA_OIF, index);
	return finish(fd, &b, 0);
}

int replace_host_route(int fd, unsigned index, const address *destination)
{
	struct rtmsg header = {.rtm_dst_len = (uint8_t)host_bits(destination), .rtm_scope = RT_SCOPE_LINK};
	return replace_route(fd, index, header, RTA_DST, destination);
}

int delete_host_route(int fd, unsigned index, const address *destination)
{
	batch b = {0};
	struct rtmsg header = {.rtm_family = destination->family, .rtm_dst_len = (uint8_t)host_bits(destination), .rtm_table = RT_TABLE_MAIN, .rtm_scope = RT_SCOPE_NOWHERE};
	begin_message(&b, RTM_DELROUTE, NLM_F_ACK, &header, sizeof header);
	put_attribute(&b, RTA_DST, destination->bytes, address_size(destination));
	put_u32(&b, RTA_OIF, index);
	return finish(fd, &b, ESRCH);
}

int add_way_to_pod(int fd, unsigned index, const address *pod, const address *source)
{
	batch b = {0};
	struct rtmsg header = {.rtm_family = pod->family, .rtm_dst_len = (uint8_t)host_bits(pod), .rtm_table = RT_TABLE_MAIN,
			       .rtm_protocol = ROUTE_PROTOCOL, .rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_UNICAST};
	begin_message(&b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &header, sizeof header);
	put_attribute(&b, RTA_DST, pod->bytes, address_size(pod));
	put_attribute(&b, RTA_PREFSRC, source->bytes, address_size(source));
	put_u32(&b, RTA_OIF, index);
	return finish(fd, &b, 0);
}

int replace_default_route(int fd, unsigned index, const address *gateway)
{
	return replace_route(fd, index, (struct rtmsg){.rtm_scope = RT_SCOPE_UNIVERSE}, RTA_GATEWAY, gateway);
}

int add_permanent_neighbour(int fd, unsigned index, const address *ip, const unsigned char mac[6])
{
	batch b = {0};
	struct ndmsg header = {.ndm_family = ip->family, .ndm_ifindex = (int)index, .ndm_state = NUD_PERMANENT};
	begin_message(&b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, &header, sizeof header);
	put_attribute(&b, NDA_DST, ip->bytes, address_size(ip));
	put_attribute(&b, NDA_LLADDR, mac, 6);
	return finish(fd, &b, 0);
}

static int change_proxy(int fd, uint16_t type, uint16_t flags, unsigned bridge, const address *ip, int tolerated)
{
	batch b = {0};
	// Permanent: else it would go when the bridge loses its last port.
	struct ndmsg header = {.ndm_family = ip->family, .ndm_ifindex = (int)bridge, .ndm_state = NUD_PERMANENT, .ndm_flags = NTF_PROXY};
	begin_message(&b, type, flags | NLM_F_ACK, &header, sizeof header);
	put_attribute(&b, NDA_DST, ip->bytes, address_size(ip));
	put_u8(&b, NDA_PROTOCOL, ROUTE_PROTOCOL);
	return finish(fd, &b, tolerated);
}

int add_proxy_neighbour(int fd, unsigned bridge, const address *ip)
{
	return change_proxy(fd, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, bridge, ip, 0);
}

int delete_proxy_neighbour(int fd, unsigned bridge, const address *ip)
{
	return change_proxy(fd, RTM_DELNEIGH, 0, bridge, ip, ENOENT);
}

int forget_neighbour(int fd, unsigned index, const address *ip)
{
	batch b = {0};
	struct ndmsg header = {.ndm_family = ip->family, .ndm_ifindex = (int)index};
	begin_message(&b, RTM_DELNEIGH, NLM_F_ACK, &header, sizeof header);
	put_attribute(&b, NDA_DST, ip->bytes, address_size(ip));
	return finish(fd, &b, ENOENT);
}
