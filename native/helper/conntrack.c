// `conntrack dump` and `conntrack apply`.
#include "conntrack.h"
#include "command.h"
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

void begin_conntrack(batch *b, uint8_t family, uint8_t message, uint16_t flags)
{
	struct nfgenmsg header = {.nfgen_family = family, .version = NFNETLINK_V0};
	begin_message(b, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | message), flags, &header, sizeof header);
}

static bool read_mark(char *text, dump_request *request)
{
	char *end, *slash = strchr(text, '/');
	if (!slash) return false;
	request->mark = (uint32_t)strtoul(text, &end, 0);
	if (end != slash) return false;
	request->mask = (uint32_t)strtoul(slash + 1, &end, 0);
	return !*end && request->mask;
}

static bool read_only(const char *text, dump_request *request)
{
	return request->only_count < ONLY_LIMIT && read_address(text, &request->only[request->only_count]) && ++request->only_count;
}

static int dump_command(int argc, char **argv)
{
	dump_request request = {0};
	for (int i = 0; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		bool *word = !strcmp(argv[i], "--wait") ? &request.wait : !strcmp(argv[i], "--open") ? &request.open : NULL;
		if (word) {
			*word = true;
			continue;
		}
		bool good = !strcmp(argv[i], "--ip") ? read_only(value, &request) : !strcmp(argv[i], "--mark") && *value && read_mark(argv[i + 1], &request);
		if (!good) return complain("conntrack dump: expected [--ip ADDRESS]... [--mark VALUE/MASK] [--open] [--wait] at %s %s", argv[i], value);
		i++;
	}
	return dump_conntrack(&request);
}

int conntrack_command(int argc, char **argv)
{
	if (argc == 1 && !strcmp(argv[0], "apply")) return apply_conntrack(stdin);
	if (argc > 0 && !strcmp(argv[0], "dump")) return dump_command(argc - 1, argv + 1);
	return complain("conntrack: expected dump [--ip A]... [--mark V/M] [--open] [--wait] or apply");
}
