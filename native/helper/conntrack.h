// ctnetlink: dumping the node's connections and changing many of them in one batch.
#pragma once
#include "flow.h"

typedef struct {
	const struct in_addr *only; // entries with this address in either tuple
	uint32_t mark, mask; // a mask: entries with this mark, picked by the kernel
	bool wait; // ask the kernel when stdin ends, not before
} dump_request;

int dump_conntrack(const dump_request *request);
int apply_conntrack(FILE *lines);
// Type and family header of one ctnetlink message.
void begin_conntrack(batch *b, uint8_t message, uint16_t flags);
