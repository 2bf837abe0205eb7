// ctnetlink: dumping the node's connections and changing many of them in one batch.
#pragma once
#include "flow.h"

int dump_conntrack(const struct in_addr *only);
int apply_conntrack(FILE *lines);
// Type and family header of one ctnetlink message.
void begin_conntrack(batch *b, uint8_t message, uint16_t flags);
