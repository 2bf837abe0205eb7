// The configuration on stdin with the result of the plugins before, and the pod that is awaited.
#pragma once
#include "files.h"
#include "json.h"
#include <netinet/in.h>
#include <stdbool.h>

typedef struct {
	json_span result;  // prevResult, as it came
	json_span address; // the value of ips[n].address inside it, for the first IPv4 one
	struct in_addr old, gateway;
	unsigned prefix;
} network_config;

typedef struct {
	bool awaited;
	char directory[PATH_SIZE];
	char address[64]; // text of ip
	struct in_addr ip;
	unsigned mtu; // 0: as it is
} awaited_pod;

bool read_network_config(network_config *config, const char *text, size_t length);
bool read_address(network_config *config);
// False after an error; `awaited` says whether RUN/awaited/<ns>_<pod>/network is there.
bool find_awaited(awaited_pod *pod);
// prevResult on stdout: as it came, or with its address replaced by ADDRESS/32.
int print_result(const network_config *config, const char *address);
