// Attaches an awaited pod point-to-point, its addresses without a way in yet: the hold.
#pragma once
#include "config.h"
#include <net/if.h>

typedef struct {
	char host_name[IF_NAMESIZE];
	unsigned char host_mac[6], pod_mac[6];
	unsigned host_index, pod_index;
} attachment;

bool attach_pod(const network_config *config, const awaited_pod *pod, attachment *done);
bool write_attachment(const network_config *config, const awaited_pod *pod, const attachment *done);
