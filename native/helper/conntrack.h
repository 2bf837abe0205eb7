// ctnetlink: dumping the node's connections and changing many of them in one batch.
#pragma once
#include "flow.h"

enum { ONLY_LIMIT = 8 };

typedef struct {
	address only[ONLY_LIMIT]; // entries with one of these in either tuple; none: all
	unsigned only_count;
	uint32_t mark, mask; // a mask: entries with this mark, picked by the kernel
	bool open; // without TCP flows that are over (TIME_WAIT, CLOSE): of a busy server they are nearly all
	bool wait; // ask the kernel when stdin ends, not before
} dump_request;

int dump_conntrack(const dump_request *request);
int apply_conntrack(FILE *lines);
// Type and family header of one ctnetlink message; AF_UNSPEC: a dump of all families.
void begin_conntrack(batch *b, uint8_t family, uint8_t message, uint16_t flags);
