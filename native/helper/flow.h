// One direction of a connection, as conntrack's tuples have it.
#pragma once
#include "netlink.h"
#include <netinet/in.h>
#include <stdio.h>

typedef struct {
	struct in_addr source, destination;
	uint16_t source_port, destination_port; // host order
	uint8_t protocol;
} flow;

// False for what is not IPv4 TCP or UDP.
bool read_flow(const struct nlattr *tuple, flow *out);
void put_flow(batch *b, uint16_t type, const flow *f);
flow inverse_of(const flow *f);
void print_flow(FILE *out, const flow *f);
