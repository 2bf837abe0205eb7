// What a new pod's attachment is, and whether it is one that is known well enough to be changed.
#pragma once
#include "link.h"
#include "listing.h"

typedef struct {
	link_info inner, veth, bridge; // the pod's end, the node's, what that is a port of
	addressing at[2];              // one of a family
	unsigned count;
} newborn;

// In the pod's namespace.
bool read_inside(int fd, newborn *pod);
// In the node's.
bool read_outside(int fd, newborn *pod);
bool is_known(int fd, const newborn *pod);
// Given, not taken from a port.
bool has_own_mac(const link_info *bridge);
