// What a new pod's attachment is, and whether it is one that is known well enough to be changed.
#include "birth-checks.h"
#include "files.h"
#include <stdio.h>
#include <string.h>

// One address and one gateway for everything.
static bool read_family(int fd, uint8_t family, newborn *pod)
{
	addressing *a = &pod->at[pod->count];
	if (get_addressing(fd, family, pod->inner.index, a)) return false;
	if (a->count == 0) return !a->gateway.family;
	pod->count++;
	return a->count == 1 && a->has_default && !a->is_odd && a->prefix < host_bits(&a->ip);
}

bool read_inside(int fd, newborn *pod)
{
	pod->count = 0;
	if (get_link(fd, "eth0", 0, &pod->inner) || !pod->inner.peer) return false;
	return read_family(fd, AF_INET, pod) && read_family(fd, AF_INET6, pod) && pod->count > 0;
}

bool read_outside(int fd, newborn *pod)
{
	return !get_link(fd, NULL, pod->inner.peer, &pod->veth) && pod->veth.peer == pod->inner.index && pod->veth.master &&
	       !get_link(fd, NULL, pod->veth.master, &pod->bridge);
}

static bool reads(const char *wanted, const char *format, const char *device) __attribute__((format(printf, 2, 0)));
static bool reads(const char *wanted, const char *format, const char *device)
{
	char name[256], path[PATH_SIZE], value[32];
	snprintf(name, sizeof name, format, device);
	return make_path(path, "/%s", name) && first_line(path, value, sizeof value) && !strcmp(value, wanted);
}

bool has_own_mac(const link_info *bridge)
{
	return reads("3", "sys/class/net/%s/addr_assign_type", bridge->name);
}

// What a port of the bridge is kept from would be open to it beside the bridge; and a bridge of another kind has no such files. Not every kernel has VLANs
// on bridges.
static bool is_plain_port(const newborn *pod)
{
	return !reads("1", "sys/class/net/%s/bridge/vlan_filtering", pod->bridge.name) && reads("0", "sys/class/net/%s/brport/isolated", pod->veth.name);
}

// The veth is the pod's way out then, and the node answers for the pod on the bridge.
static bool can_forward(uint8_t family, const newborn *pod)
{
	if (family == AF_INET) return reads("1", "proc/sys/net/ipv4/conf/%s/forwarding", pod->veth.name) && reads("1", "proc/sys/net/ipv4/conf/%s/forwarding", pod->bridge.name);
	return reads("1", "proc/sys/net/ipv6/conf/%s/forwarding", "all") && reads("0", "proc/sys/net/ipv6/conf/%s/disable_ipv6", pod->veth.name) &&
	       reads("1", "proc/sys/net/ipv6/conf/%s/proxy_ndp", "all");
}

bool is_known(int fd, const newborn *pod)
{
	if (!is_plain_port(pod)) return false;
	for (unsigned i = 0; i < pod->count; i++)
		if (!can_forward(pod->at[i].ip.family, pod) || !has_address(fd, pod->bridge.index, &pod->at[i].gateway)) return false;
	return true;
}
