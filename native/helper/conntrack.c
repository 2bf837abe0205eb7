// `conntrack dump` and `conntrack apply`.
#include "conntrack.h"
#include "command.h"
#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

void begin_conntrack(batch *b, uint8_t message, uint16_t flags)
{
	struct nfgenmsg header = {.nfgen_family = AF_INET, .version = NFNETLINK_V0};
	begin_message(b, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | message), flags, &header, sizeof header);
}

int conntrack_command(int argc, char **argv)
{
	struct in_addr ip;
	if (argc == 1 && !strcmp(argv[0], "apply")) return apply_conntrack(stdin);
	if (argc == 1 && !strcmp(argv[0], "dump")) return dump_conntrack(NULL);
	if (argc != 3 || strcmp(argv[0], "dump") || strcmp(argv[1], "--ip")) return complain("conntrack: expected dump [--ip A] or apply");
	if (inet_pton(AF_INET, argv[2], &ip) != 1) return complain("conntrack dump: %s is no IPv4 address", argv[2]);
	return dump_conntrack(&ip);
}
