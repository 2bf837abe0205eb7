// One direction of a connection, as conntrack's tuples have it.
#pragma once
#include "address.h"
#include "netlink.h"
#include <stdio.h>

typedef struct {
	address source, destination; // of one family
	uint16_t source_port, destination_port; // host order
	uint8_t protocol;
} flow;

// False for what is not TCP or UDP.
bool read_flow(const struct nlattr *tuple, flow *out);
void put_flow(batch *b, uint16_t type, const flow *f);
flow inverse_of(const flow *f);
void print_flow(FILE *out, const flow *f);
