// `garp DEVICE IP`: tells the segment that IP lives behind DEVICE's address, as request and as reply.
#include "command.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
	struct ether_header ethernet;
	struct ether_arp arp;
} __attribute__((packed)) frame;

static const unsigned char broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static frame build(unsigned short operation, const unsigned char mac[6], struct in_addr ip)
{
	frame f = {.ethernet.ether_type = htons(ETHERTYPE_ARP),
		   .arp.ea_hdr = {htons(ARPHRD_ETHER), htons(ETHERTYPE_IP), 6, 4, htons(operation)}};
	memcpy(f.ethernet.ether_dhost, broadcast, 6);
	memcpy(f.ethernet.ether_shost, mac, 6);
	memcpy(f.arp.arp_sha, mac, 6);
	memcpy(f.arp.arp_spa, &ip, 4);
	memcpy(f.arp.arp_tpa, &ip, 4);
	if (operation == ARPOP_REPLY) memcpy(f.arp.arp_tha, broadcast, 6);
	return f;
}

static int send_both(int fd, const char *device, struct in_addr ip)
{
	struct ifreq request = {0};
	strncpy(request.ifr_name, device, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFHWADDR, &request)) return complain("garp: address of %s: %s", device, strerror(errno));
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_ARP), .sll_ifindex = (int)if_nametoindex(device)};
	unsigned short operations[] = {ARPOP_REQUEST, ARPOP_REPLY};
	for (int i = 0; i < 2; i++) {
		frame f = build(operations[i], (unsigned char *)request.ifr_hwaddr.sa_data, ip);
		if (sendto(fd, &f, sizeof f, 0, (struct sockaddr *)&to, sizeof to) != sizeof f) return complain("garp: sending on %s: %s", device, strerror(errno));
	}
	return 0;
}

int garp_command(int argc, char **argv)
{
	struct in_addr ip;
	if (argc != 2 || inet_pton(AF_INET, argv[1], &ip) != 1) return complain("garp: expected DEVICE IP");
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0) return complain("garp: opening a packet socket: %s", strerror(errno));
	int code = send_both(fd, argv[0], ip);
	close(fd);
	if (!code) puts("{\"sent\":2}");
	return code;
}
