// What an interface has: its global addresses, and the one gateway that everything beyond it goes by.
#pragma once
#include "address.h"
#include <stdbool.h>

typedef struct {
	address ip, gateway; // gateway.family 0: none
	unsigned prefix;
	unsigned count;   // of its addresses; `ip` is the last
	bool has_default; // by the gateway
	bool is_odd;      // has routes that are not by the one gateway, or with more to them than a gateway
} addressing;

// Of one family; 0 or an errno.
int get_addressing(int fd, uint8_t family, unsigned index, addressing *out);
// Whether the interface has this address.
bool has_address(int fd, unsigned index, const address *ip);
