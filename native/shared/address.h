// An IPv4 or IPv6 address.
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
	uint8_t family; // AF_INET or AF_INET6; 0: none
	unsigned char bytes[16];
} address;

bool read_address(const char *text, address *out);
// TEXT, for use in one call.
const char *print_address(char text[INET6_ADDRSTRLEN], const address *a);
bool same_address(const address *a, const address *b);
// Of its bytes.
size_t address_size(const address *a);
// Of a prefix that holds nothing but one address.
unsigned host_bits(const address *a);
const char *family_name(uint8_t family);
