// The configuration on stdin with the result of the plugins before, and the pod that is awaited.
#pragma once
#include "address.h"
#include "files.h"
#include "json.h"

enum { FAMILIES = 2 };

typedef struct {
	json_span text; // the value of ips[n].address inside prevResult
	address old, gateway;
	unsigned prefix;
	address ip; // that the pod gets instead
} replacement;

typedef struct {
	json_span result; // prevResult, as it came
	replacement at[FAMILIES]; // in the order of prevResult
	unsigned count;
} network_config;

typedef struct {
	bool awaited;
	char directory[PATH_SIZE];
	address ips[FAMILIES]; // one of a family
	unsigned count;
	unsigned mtu; // 0: as it is
} awaited_pod;

bool read_network_config(network_config *config, const char *text, size_t length);
// For each of the pod's addresses the first one of its family.
bool read_replacements(network_config *config, const awaited_pod *pod);
// False after an error; `awaited` says whether RUN/awaited/<ns>_<pod>/network is there.
bool find_awaited(awaited_pod *pod);
// prevResult on stdout, the addresses replaced as far as they were read.
int print_result(const network_config *config);
