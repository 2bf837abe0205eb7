// An IPv4 or IPv6 address.
#include "address.h"
#include <arpa/inet.h>
#include <string.h>

bool read_address(const char *text, address *out)
{
	memset(out, 0, sizeof *out);
	out->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(out->family, text, out->bytes) == 1;
}

const char *print_address(char text[INET6_ADDRSTRLEN], const address *a)
{
	return inet_ntop(a->family, a->bytes, text, INET6_ADDRSTRLEN);
}

bool same_address(const address *a, const address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

size_t address_size(const address *a)
{
	return a->family == AF_INET6 ? 16 : 4;
}

unsigned host_bits(const address *a)
{
	return 8 * (unsigned)address_size(a);
}

const char *family_name(uint8_t family)
{
	return family == AF_INET6 ? "IPv6" : "IPv4";
}
