// `garp DEVICE IP`: tells the segment that IP lives behind DEVICE's address: by ARP, as request and as reply, or by a neighbour advertisement.
// `garp -`: the same for each line of its standard input.
#include "address.h"
#include "command.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
	struct ether_header ethernet;
	struct ether_arp arp;
} __attribute__((packed)) arp_frame;

typedef struct {
	struct nd_neighbor_advert advert;
	struct nd_opt_hdr option;
	unsigned char mac[6];
} __attribute__((packed)) advertisement;

typedef struct {
	struct ether_header ethernet;
	struct ip6_hdr ip;
	advertisement message;
} __attribute__((packed)) advert_frame;

static const unsigned char broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
// All nodes of the link.
static const unsigned char all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
static const struct in6_addr all_nodes = {.s6_addr = {0xff, 2, [15] = 1}};

static struct ether_header ethernet(unsigned short type, const unsigned char to[6], const unsigned char from[6])
{
	struct ether_header e = {.ether_type = htons(type)};
	memcpy(e.ether_dhost, to, 6);
	memcpy(e.ether_shost, from, 6);
	return e;
}

static arp_frame build_arp(unsigned short operation, const unsigned char mac[6], const address *ip)
{
	arp_frame f = {.ethernet = ethernet(ETHERTYPE_ARP, broadcast, mac),
		       .arp.ea_hdr = {htons(ARPHRD_ETHER), htons(ETHERTYPE_IP), 6, 4, htons(operation)}};
	memcpy(f.arp.arp_sha, mac, 6);
	memcpy(f.arp.arp_spa, ip->bytes, 4);
	memcpy(f.arp.arp_tpa, ip->bytes, 4);
	if (operation == ARPOP_REPLY) memcpy(f.arp.arp_tha, broadcast, 6);
	return f;
}

static uint32_t sum_of(const void *at, size_t size)
{
	const unsigned char *p = at;
	uint32_t sum = 0;
	for (size_t i = 0; i < size; i += 2) sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	return sum;
}

static uint16_t checksum(const advert_frame *f)
{
	uint32_t sum = sum_of(&f->ip.ip6_src, 32) + sizeof f->message + IPPROTO_ICMPV6 + sum_of(&f->message, sizeof f->message);
	while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

// Overriding: neighbours that know another address for it take this one at once.
static advert_frame build_advert(const unsigned char mac[6], const address *ip)
{
	advert_frame f = {.ethernet = ethernet(ETHERTYPE_IPV6, all_nodes_mac, mac),
			  .ip = {.ip6_flow = htonl(6u << 28), .ip6_plen = htons(sizeof f.message), .ip6_nxt = IPPROTO_ICMPV6, .ip6_hlim = 255, .ip6_dst = all_nodes},
			  .message.advert.nd_na_hdr.icmp6_type = ND_NEIGHBOR_ADVERT,
			  .message.option = {ND_OPT_TARGET_LINKADDR, 1}};
	memcpy(&f.ip.ip6_src, ip->bytes, 16);
	memcpy(&f.message.advert.nd_na_target, ip->bytes, 16);
	memcpy(f.message.mac, mac, 6);
	f.message.advert.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
	f.message.advert.nd_na_cksum = checksum(&f);
	return f;
}

static int send_frame(int fd, const char *device, const void *frame, size_t size)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = ((const struct ether_header *)frame)->ether_type, .sll_ifindex = (int)if_nametoindex(device)};
	return sendto(fd, frame, size, 0, (struct sockaddr *)&to, sizeof to) == (ssize_t)size ? 0 : complain("garp: sending on %s: %s", device, strerror(errno));
}

// How many frames; 0 after an error.
static unsigned announce(int fd, const char *device, const address *ip)
{
	struct ifreq request = {0};
	strncpy(request.ifr_name, device, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFHWADDR, &request)) return complain("garp: address of %s: %s", device, strerror(errno)), 0;
	const unsigned char *mac = (unsigned char *)request.ifr_hwaddr.sa_data;
	if (ip->family == AF_INET6) {
		advert_frame f = build_advert(mac, ip);
		return !send_frame(fd, device, &f, sizeof f);
	}
	arp_frame asked = build_arp(ARPOP_REQUEST, mac, ip), answered = build_arp(ARPOP_REPLY, mac, ip);
	return send_frame(fd, device, &asked, sizeof asked) || send_frame(fd, device, &answered, sizeof answered) ? 0 : 2;
}

// As `announce`, from words that are not checked yet.
static unsigned announce_words(int fd, const char *device, const char *text)
{
	address ip;
	if (!device || !text || !read_address(text, &ip)) return complain("garp: expected DEVICE IP"), 0;
	return announce(fd, device, &ip);
}

static unsigned announce_lines(int fd, FILE *lines)
{
	char line[256];
	unsigned sent = 0;
	while (fgets(line, sizeof line, lines)) {
		const char *device = strtok(line, " \t\r\n"), *ip = strtok(NULL, " \t\r\n");
		unsigned more = announce_words(fd, device, ip);
		if (!more) return 0;
		sent += more;
	}
	return sent;
}

int garp_command(int argc, char **argv)
{
	bool from_lines = argc == 1 && strcmp(argv[0], "-") == 0;
	if (argc != 2 && !from_lines) return complain("garp: expected DEVICE IP, or -");
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0) return complain("garp: opening a packet socket: %s", strerror(errno));
	unsigned sent = from_lines ? announce_lines(fd, stdin) : announce_words(fd, argv[0], argv[1]);
	close(fd);
	if (sent) printf("{\"sent\":%u}\n", sent);
	return !sent;
}
