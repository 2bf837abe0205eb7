// What the attachment does by rtnetlink: each call one message, 0 or an errno.
#pragma once
#include "address.h"
#include <net/if.h>
#include <stdbool.h>

typedef struct {
	unsigned index, peer; // peer: the other end of a veth, in its own namespace
	unsigned char mac[6];
	char name[IF_NAMESIZE];
	unsigned mtu;
} link_info;

int get_link(int fd, const char *name, unsigned index, link_info *out);
int set_mtu(int fd, unsigned index, unsigned mtu);
int leave_bridge(int fd, unsigned index);
int add_address(int fd, unsigned index, const address *ip, unsigned prefix);
int delete_address(int fd, unsigned index, const address *ip, unsigned prefix);
int replace_host_route(int fd, unsigned index, const address *destination);
int replace_default_route(int fd, unsigned index, const address *gateway);
int add_permanent_neighbour(int fd, unsigned index, const address *ip, const unsigned char mac[6]);
int forget_neighbour(int fd, unsigned index, const address *ip);
