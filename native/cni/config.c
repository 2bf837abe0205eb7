// The configuration on stdin with the result of the plugins before, and the pod that is awaited.
#include "config.h"
#include "error.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool read_network_config(network_config *config, const char *text, size_t length)
{
	memset(config, 0, sizeof *config);
	json_span whole = json_value(json_text(text, length));
	if (!json_valid(whole)) return fail(CNI_BAD_CONFIG, "the configuration on stdin is not valid JSON");
	config->result = json_member(whole, "prevResult");
	if (!json_valid(config->result)) return fail(CNI_BAD_CONFIG, "no prevResult: this plugin must be chained after one that makes the interface");
	return true;
}

static bool parse_address(network_config *config, char *address, const char *gateway)
{
	char *slash = strchr(address, '/');
	if (!slash) return false;
	*slash = 0;
	config->prefix = (unsigned)atoi(slash + 1);
	return config->prefix <= 32 && inet_pton(AF_INET, address, &config->old) == 1 && inet_pton(AF_INET, gateway, &config->gateway) == 1;
}

// The first IPv4 entry of ips, wherever it stands.
bool read_address(network_config *config)
{
	char address[64], gateway[64];
	json_span ips = json_member(config->result, "ips");
	for (size_t i = 0;; i++) {
		json_span ip = json_element(ips, i);
		if (!json_valid(ip)) return fail(CNI_BAD_CONFIG, "prevResult has no IPv4 address to replace");
		config->address = json_member(ip, "address");
		if (!json_string(config->address, address, sizeof address) || strchr(address, ':')) continue;
		if (!json_get(ip, "gateway", gateway, sizeof gateway)) return fail(CNI_BAD_CONFIG, "prevResult gives %s no gateway", address);
		if (parse_address(config, address, gateway)) return true;
		return fail(CNI_BAD_CONFIG, "prevResult has address %s, gateway %s: not IPv4 with a prefix", address, gateway);
	}
}

// One value of CNI_ARGS, `A=1;B=2`.
static bool argument(const char *name, char *out, size_t size)
{
	const char *p = env_or("CNI_ARGS", "");
	size_t length = strlen(name);
	while (*p) {
		const char *end = strchrnul(p, ';');
		if (!strncmp(p, name, length) && p[length] == '=' && (size_t)(end - p) - length - 1 < size) {
			snprintf(out, size, "%.*s", (int)(end - p - (ptrdiff_t)length - 1), p + length + 1);
			return out[0] && !strchr(out, '/');
		}
		p = *end ? end + 1 : end;
	}
	return false;
}

static bool parse_line(awaited_pod *pod, const char *line)
{
	if (!strncmp(line, "ip=", 3)) {
		snprintf(pod->address, sizeof pod->address, "%s", line + 3);
		return inet_pton(AF_INET, pod->address, &pod->ip) == 1;
	}
	if (!strncmp(line, "mtu=", 4)) return (pod->mtu = (unsigned)strtoul(line + 4, NULL, 10)) >= 68;
	return true;
}

static bool parse_file(awaited_pod *pod, char *text)
{
	char *line;
	while ((line = strsep(&text, "\n")))
		if (!parse_line(pod, line)) return false;
	return pod->address[0];
}

bool find_awaited(awaited_pod *pod)
{
	char namespace[256], name[256], path[PATH_SIZE];
	memset(pod, 0, sizeof *pod);
	if (!argument("K8S_POD_NAMESPACE", namespace, sizeof namespace) || !argument("K8S_POD_NAME", name, sizeof name)) return true;
	const char *run = env_or("PODMOTION_RUN_DIR", "/run/podmotion");
	if (!make_path(pod->directory, "%s/awaited/%s_%s", run, namespace, name) || !make_path(path, "%s/network", pod->directory)) return true;
	char *text = read_file(path, 1 << 16, NULL);
	if (!text) return errno == ENOENT || errno == ENOTDIR || fail(CNI_AWAITED_FILE, "reading %s: %s", path, strerror(errno));
	pod->awaited = true;
	bool ok = parse_file(pod, text);
	free(text);
	return ok || fail(CNI_AWAITED_FILE, "%s: expected lines ip=A.B.C.D and maybe mtu=N", path);
}

int print_result(const network_config *config, const char *address)
{
	json_span r = config->result;
	if (!address) {
		fwrite(r.at, 1, (size_t)(r.end - r.at), stdout);
	} else {
		fwrite(r.at, 1, (size_t)(config->address.at - r.at), stdout);
		printf("\"%s/32\"", address);
		fwrite(config->address.end, 1, (size_t)(r.end - config->address.end), stdout);
	}
	return fflush(stdout) ? 1 : 0;
}
