// What an attachment does by rtnetlink: each call one message, 0 or an errno.
#pragma once
#include "address.h"
#include <net/if.h>
#include <stdbool.h>

// Marks routes and proxy neighbours as ours; the agent's ip-batches.ts has the same number.
enum { ROUTE_PROTOCOL = 112 };

typedef struct {
	unsigned index, peer; // peer: the other end of a veth, in its own namespace
	unsigned master;      // the bridge that it is a port of; 0: of none
	unsigned char mac[6];
	char name[IF_NAMESIZE];
	unsigned mtu;
} link_info;

int get_link(int fd, const char *name, unsigned index, link_info *out);
int set_mtu(int fd, unsigned index, unsigned mtu);
int leave_bridge(int fd, unsigned index);
int join_bridge(int fd, unsigned index, unsigned bridge);
int set_mac(int fd, unsigned index, const unsigned char mac[6]);
int add_address(int fd, unsigned index, const address *ip, unsigned prefix);
int delete_address(int fd, unsigned index, const address *ip, unsigned prefix);
int replace_host_route(int fd, unsigned index, const address *destination);
int delete_host_route(int fd, unsigned index, const address *destination);
// By this node's own processes under the address SOURCE. EEXIST: somebody has a route of just this address already.
int add_way_to_pod(int fd, unsigned index, const address *pod, const address *source);
int replace_default_route(int fd, unsigned index, const address *gateway);
int add_permanent_neighbour(int fd, unsigned index, const address *ip, const unsigned char mac[6]);
// The bridge answers for the address.
int add_proxy_neighbour(int fd, unsigned bridge, const address *ip);
int delete_proxy_neighbour(int fd, unsigned bridge, const address *ip);
int forget_neighbour(int fd, unsigned index, const address *ip);
