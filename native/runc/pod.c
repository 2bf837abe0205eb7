// Which pod and container a bundle is for, from the annotations that containerd writes into its config.json.
#include "pod.h"
#include "files.h"
#include "json.h"
#include <stdlib.h>
#include <string.h>

enum { CONFIG_LIMIT = 64 << 20 };
#define CRI "io.kubernetes.cri."

// They become parts of paths: what could lead elsewhere is no name.
static bool is_name(const char *text)
{
	return !strchr(text, '/') && strcmp(text, ".") && strcmp(text, "..");
}

// A value that is there but cannot be read is an error: taking it for missing could start a second copy.
static bool take(json_span annotations, const char *key, char *out, size_t size)
{
	out[0] = 0;
	json_span value = json_member(annotations, key);
	return !json_valid(value) || (json_string(value, out, size) && is_name(out));
}

static bool read_annotations(json_span annotations, pod *p)
{
	return take(annotations, CRI "sandbox-namespace", p->namespace, sizeof p->namespace) &&
	       take(annotations, CRI "sandbox-name", p->name, sizeof p->name) &&
	       take(annotations, CRI "sandbox-uid", p->uid, sizeof p->uid) &&
	       take(annotations, CRI "container-name", p->container, sizeof p->container) &&
	       take(annotations, CRI "container-type", p->type, sizeof p->type) &&
	       take(annotations, "podmotion.io/migration", p->migration, sizeof p->migration);
}

static void read_network(json_span namespaces, pod *p)
{
	char type[64] = "";
	json_span one;
	for (size_t i = 0; json_valid(one = json_element(namespaces, i)); i++)
		if (json_get(one, "type", type, sizeof type) && !strcmp(type, "network") && json_get(one, "path", p->network, sizeof p->network)) return;
	p->network[0] = 0;
}

pod_result read_pod(const char *bundle, pod *out)
{
	char path[PATH_SIZE];
	size_t length;
	memset(out, 0, sizeof *out);
	if (!make_path(path, "%s/config.json", bundle)) return POD_NO_CONFIG;
	char *text = read_file(path, CONFIG_LIMIT, &length);
	if (!text) return POD_NO_CONFIG;
	json_span config = json_value(json_text(text, length));
	read_network(json_member(json_member(config, "linux"), "namespaces"), out);
	bool ok = json_valid(config) && read_annotations(json_member(config, "annotations"), out);
	free(text);
	return ok ? POD_READ : POD_BROKEN;
}
