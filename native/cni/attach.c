// Attaches an awaited pod point-to-point, its addresses without a way in yet: the hold.
#include "attach.h"
#include "error.h"
#include "link.h"
#include "netlink.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool ok(int error, const char *doing)
{
	return !error || fail(CNI_NETWORK, "%s: %s", doing, strerror(error));
}

// /proc/sys/net shows the namespace of the process that opens it.
static bool sysctl(const char *value, bool needed, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool sysctl(const char *value, bool needed, const char *format, ...)
{
	char name[256], path[PATH_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(name, sizeof name, format, args);
	va_end(args);
	if (!make_path(path, "/proc/sys/net/%s", name) || poke(path, value)) return true;
	if (!needed && errno == ENOENT) return true;
	return fail(CNI_NETWORK, "writing %s to %s: %s", value, path, strerror(errno));
}

// Learns no redirects; replies to no ARP request (for IPv6 the host asks none, see set_host_sysctls).
static bool set_pod_sysctls(uint8_t family, const char *interface)
{
	const char *name = family == AF_INET6 ? "ipv6" : "ipv4";
	if (!sysctl("0", true, "%s/conf/all/accept_redirects", name) || !sysctl("0", true, "%s/conf/%s/accept_redirects", name, interface)) return false;
	return family == AF_INET6 || (sysctl("8", true, "ipv4/conf/all/arp_ignore") && sysctl("8", true, "ipv4/conf/%s/arp_ignore", interface));
}

// The new address first: an interface without any loses its routes. Deleting the old one takes its subnet route along. The same address is
// another one with another prefix for IPv4; for IPv6 it is the one that is there.
static bool change_address(int fd, unsigned index, const replacement *r, const unsigned char gateway_mac[6])
{
	bool same = r->old.family == AF_INET6 && same_address(&r->old, &r->ip);
	if (same && !ok(delete_address(fd, index, &r->old, r->prefix), "removing the address that was assigned here")) return false;
	return ok(add_address(fd, index, &r->ip, host_bits(&r->ip)), "adding the pod's address") &&
	       (same || ok(delete_address(fd, index, &r->old, r->prefix), "removing the address that was assigned here")) &&
	       ok(replace_host_route(fd, index, &r->gateway), "adding the route to the gateway") &&
	       ok(replace_default_route(fd, index, &r->gateway), "adding the default route") &&
	       ok(add_permanent_neighbour(fd, index, &r->gateway, gateway_mac), "adding the gateway's neighbour entry");
}

static bool set_up_pod_side(int fd, const network_config *config, const awaited_pod *pod, const attachment *done)
{
	const char *interface = getenv("CNI_IFNAME");
	if (pod->mtu && !ok(set_mtu(fd, done->pod_index, pod->mtu), "setting the pod's MTU")) return false;
	for (unsigned i = 0; i < config->count; i++) {
		const replacement *r = &config->at[i];
		if (!set_pod_sysctls(r->ip.family, interface) || !change_address(fd, done->pod_index, r, done->host_mac)) return false;
	}
	// Go's MPTCP listeners fall back to TCP, which can be moved.
	return sysctl("0", false, "mptcp/enabled");
}

// Without a neighbour entry and with no answer to ARP the kernel queues the pod's packets: room for 16 MiB, and 200 requests a second apart
// before it gives up. A pod cannot be kept from answering IPv6's: they go to a user's program instead, of which there is none.
static bool set_host_sysctls(uint8_t family, const char *veth)
{
	if (family == AF_INET6)
		return sysctl("16777216", true, "ipv6/neigh/%s/unres_qlen_bytes", veth) && sysctl("0", true, "ipv6/neigh/%s/mcast_solicit", veth) &&
		       sysctl("200", true, "ipv6/neigh/%s/app_solicit", veth);
	return sysctl("0", true, "ipv4/conf/%s/rp_filter", veth) && sysctl("0", true, "ipv4/conf/%s/send_redirects", veth) &&
	       sysctl("0", true, "ipv4/conf/%s/proxy_arp", veth) && sysctl("16777216", true, "ipv4/neigh/%s/unres_qlen_bytes", veth) &&
	       sysctl("200", true, "ipv4/neigh/%s/mcast_solicit", veth);
}

static bool set_up_host_side(int fd, const awaited_pod *pod, const attachment *done)
{
	if (!ok(leave_bridge(fd, done->host_index), "taking the host's veth out of its bridge")) return false;
	if (pod->mtu && !ok(set_mtu(fd, done->host_index, pod->mtu), "setting the MTU of the host's veth")) return false;
	for (unsigned i = 0; i < pod->count; i++) {
		const address *ip = &pod->ips[i];
		if (!set_host_sysctls(ip->family, done->host_name) || !ok(forget_neighbour(fd, done->host_index, ip), "forgetting a neighbour entry")) return false;
	}
	return true;
}

// The two ends name each other by index: no guessing by names or by the order of prevResult.
static bool find_pair(int host, int inside, attachment *done)
{
	link_info pod, veth;
	const char *interface = getenv("CNI_IFNAME");
	if (!ok(get_link(inside, interface, 0, &pod), "finding the pod's interface")) return false;
	if (!pod.peer || get_link(host, NULL, pod.peer, &veth) || veth.peer != pod.index)
		return fail(CNI_NETWORK, "interface %s is no veth with its other end on this node", interface);
	done->pod_index = pod.index;
	done->host_index = veth.index;
	memcpy(done->pod_mac, pod.mac, 6);
	memcpy(done->host_mac, veth.mac, 6);
	strcpy(done->host_name, veth.name);
	return true;
}

static bool attach_inside(int own, int other, int host, const network_config *config, const awaited_pod *pod, attachment *done)
{
	if (setns(other, CLONE_NEWNET)) return fail(CNI_NETWORK, "entering the pod's network namespace: %s", strerror(errno));
	int inside = open_netlink(NETLINK_ROUTE);
	bool good = inside >= 0 && find_pair(host, inside, done) && set_up_pod_side(inside, config, pod, done);
	if (inside < 0) fail(CNI_NETWORK, "opening netlink in the pod's namespace: %s", strerror(errno));
	else close(inside);
	if (setns(own, CLONE_NEWNET)) return good && fail(CNI_NETWORK, "returning from the pod's network namespace: %s", strerror(errno));
	return good && set_up_host_side(host, pod, done);
}

bool attach_pod(const network_config *config, const awaited_pod *pod, attachment *done)
{
	const char *netns = getenv("CNI_NETNS");
	memset(done, 0, sizeof *done);
	if (!netns || !getenv("CNI_IFNAME")) return fail(CNI_BAD_ENVIRONMENT, "CNI_NETNS or CNI_IFNAME is not set");
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), other = open(netns, O_RDONLY | O_CLOEXEC);
	int host = open_netlink(NETLINK_ROUTE);
	if (own < 0 || other < 0 || host < 0) return fail(CNI_NETWORK, "opening %s and this node's namespace: %s", netns, strerror(errno));
	bool good = attach_inside(own, other, host, config, pod, done);
	close(own);
	close(other);
	close(host);
	return good;
}

static void print_mac(char out[18], const unsigned char m[6])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

// Gateway and assigned address are those of the first of the pod's addresses.
bool write_attachment(const network_config *config, const awaited_pod *pod, const attachment *done)
{
	char path[PATH_SIZE], text[2 * PATH_SIZE], host[18], inside[18], gateway[INET6_ADDRSTRLEN], old[INET6_ADDRSTRLEN];
	print_mac(host, done->host_mac);
	print_mac(inside, done->pod_mac);
	snprintf(text, sizeof text, "hostveth=%s\nhostmac=%s\npodmac=%s\nifindex=%u\ngateway=%s\nnetns=%s\noldip=%s\n", done->host_name, host, inside,
		 done->host_index, print_address(gateway, &config->at[0].gateway), getenv("CNI_NETNS"), print_address(old, &config->at[0].old));
	bool written = make_path(path, "%s/attached", pod->directory) && write_atomically(path, text);
	return written || fail(CNI_RECORD, "writing %s: %s", path, strerror(errno));
}
