// Which pod and container a bundle is for, from the annotations that containerd writes into its config.json.
#pragma once
#include "files.h"
#include <stdbool.h>

// Kubernetes' limits are 63 and 253; a UID is 36.
typedef struct {
	char namespace[256], name[256], uid[128], container[256], type[64], migration[256];
	char network[PATH_SIZE]; // the pod's own network namespace; empty: the host's
} pod;

typedef enum { POD_READ, POD_NO_CONFIG, POD_BROKEN } pod_result;

pod_result read_pod(const char *bundle, pod *out);
