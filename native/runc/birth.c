// A pod is attached point-to-point before anything runs in it. Each step leaves a pod that works: what comes first is right on the bridge too, and when a
// step fails those before it are taken back. Nothing waits for another program.
#include "birth.h"
#include "birth-checks.h"
#include "link.h"
#include "netlink.h"
#include "places.h"
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
	int host, inside;     // netlink, of the node's namespace and of the pod's
	int own_namespace, pod_namespace;
	newborn pod;
} birth;

static bool enter(int namespace)
{
	return !setns(namespace, CLONE_NEWNET);
}

static bool sysctl(const char *value, const char *format, const char *device)
{
	char name[256], path[PATH_SIZE];
	snprintf(name, sizeof name, format, device);
	return make_path(path, "/proc/sys/net/%s", name) && poke(path, value);
}

// Through the gateway, whose address is that of the veth's other end: also as a port of the bridge, which takes what is for a port's own address.
static bool point_at_gateway(const birth *b, const addressing *a)
{
	return !replace_host_route(b->inside, b->pod.inner.index, &a->gateway) &&
	       !add_permanent_neighbour(b->inside, b->pod.inner.index, &a->gateway, b->pod.veth.mac);
}

// For IPv6 the same address with another prefix is not another one.
static bool narrow(const birth *b, const addressing *a)
{
	unsigned index = b->pod.inner.index;
	if (a->ip.family == AF_INET6) return !delete_address(b->inside, index, &a->ip, a->prefix) && !add_address(b->inside, index, &a->ip, host_bits(&a->ip));
	return !add_address(b->inside, index, &a->ip, host_bits(&a->ip)) && !delete_address(b->inside, index, &a->ip, a->prefix);
}

static void widen(const birth *b, const addressing *a)
{
	unsigned index = b->pod.inner.index;
	if (a->ip.family == AF_INET6) delete_address(b->inside, index, &a->ip, host_bits(&a->ip));
	add_address(b->inside, index, &a->ip, a->prefix);
	if (a->ip.family == AF_INET) delete_address(b->inside, index, &a->ip, host_bits(&a->ip));
	delete_host_route(b->inside, index, &a->gateway);
	forget_neighbour(b->inside, index, &a->gateway);
}

static bool change_inside(const birth *b)
{
	if (!enter(b->pod_namespace)) return false;
	bool good = true;
	for (unsigned i = 0; good && i < b->pod.count; i++) {
		const addressing *a = &b->pod.at[i];
		const char *redirects = a->ip.family == AF_INET6 ? "ipv6/conf/%s/accept_redirects" : "ipv4/conf/%s/accept_redirects";
		sysctl("0", redirects, "all");
		sysctl("0", redirects, b->pod.inner.name);
		good = point_at_gateway(b, a) && narrow(b, a);
	}
	return enter(b->own_namespace) && good;
}

static void lead_to_bridge(const birth *b, const addressing *a)
{
	delete_proxy_neighbour(b->host, b->pod.bridge.index, &a->ip);
	forget_neighbour(b->host, b->pod.veth.index, &a->ip);
	delete_host_route(b->host, b->pod.veth.index, &a->ip);
}

// This node's own processes speak to the pod under the bridge's address, as they do to every pod on it. Where there is a route of just this address
// already, it and its proxy neighbour are another's.
static bool lead_to_veth(const birth *b, const addressing *a)
{
	if (add_way_to_pod(b->host, b->pod.veth.index, &a->ip, &a->gateway)) return false;
	if (!add_permanent_neighbour(b->host, b->pod.veth.index, &a->ip, b->pod.inner.mac) && !add_proxy_neighbour(b->host, b->pod.bridge.index, &a->ip)) return true;
	lead_to_bridge(b, a);
	return false;
}

// A pod on another device than the bridge: what the bridge had for it (portmap's localhost ports) the veth needs too.
static void set_veth(const birth *b)
{
	char value[16], path[PATH_SIZE];
	sysctl("0", "ipv4/conf/%s/send_redirects", b->pod.veth.name);
	if (make_path(path, "/proc/sys/net/ipv4/conf/%s/route_localnet", b->pod.bridge.name) && first_line(path, value, sizeof value) && !strcmp(value, "1"))
		sysctl("1", "ipv4/conf/%s/route_localnet", b->pod.veth.name);
}

// A bridge takes the lowest address of its ports: without this its own would change when that port leaves.
static bool pin_bridge(const birth *b)
{
	return has_own_mac(&b->pod.bridge) || !set_mac(b->host, b->pod.bridge.index, b->pod.bridge.mac);
}

static void attach(const birth *b)
{
	unsigned led = 0;
	set_veth(b);
	while (led < b->pod.count && lead_to_veth(b, &b->pod.at[led])) led++;
	bool led_all = led == b->pod.count;
	if (led_all && change_inside(b) && pin_bridge(b) && !leave_bridge(b->host, b->pod.veth.index)) return;
	for (unsigned i = 0; i < led; i++) lead_to_bridge(b, &b->pod.at[i]);
	for (unsigned i = 0; led_all && i < b->pod.count; i++) widen(b, &b->pod.at[i]);
}

// The kernel answers at once; if ever it did not, a pod that starts must not wait for it.
static int open_hurried(void)
{
	int fd = open_netlink(NETLINK_ROUTE);
	struct timeval limit = {.tv_sec = 2};
	if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	return fd;
}

static void be_born(int namespace)
{
	birth b = {.pod_namespace = namespace, .own_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), .host = open_hurried()};
	if (b.own_namespace < 0 || b.host < 0 || !enter(namespace)) return;
	b.inside = open_hurried();
	if (b.inside < 0 || !read_inside(b.inside, &b.pod) || !enter(b.own_namespace)) return;
	if (read_outside(b.host, &b.pod) && is_known(b.host, &b.pod)) attach(&b);
}

// The agent says so, once this node is set up for it since it booted.
static bool is_wanted(void)
{
	char path[PATH_SIZE];
	return make_path(path, "%s/attach-at-birth", run_directory()) && file_exists(path);
}

void attach_at_birth(const char *network)
{
	if (!is_wanted()) return;
	int namespace = open(network, O_RDONLY | O_CLOEXEC);
	if (namespace < 0) return;
	// In a child: runc goes on where this process was, whatever becomes of it.
	pid_t child = fork();
	if (child == 0) {
		be_born(namespace);
		_exit(0);
	}
	if (child > 0) waitpid(child, NULL, 0);
	close(namespace);
}
