// The configuration on stdin with the result of the plugins before, and the pod that is awaited.
#include "config.h"
#include "error.h"
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

static bool parse_replaced(replacement *r, char *text, const char *gateway)
{
	char *slash = strchr(text, '/');
	if (!slash) return false;
	*slash = 0;
	r->prefix = (unsigned)atoi(slash + 1);
	return read_address(text, &r->old) && r->prefix <= host_bits(&r->old) && read_address(gateway, &r->gateway) && r->gateway.family == r->old.family;
}

// The first entry of ips of the family, wherever it stands.
static bool read_replacement(const network_config *config, const address *ip, replacement *r)
{
	char text[64], gateway[64];
	const char *family = family_name(ip->family);
	json_span ips = json_member(config->result, "ips");
	r->ip = *ip;
	for (size_t i = 0;; i++) {
		json_span one = json_element(ips, i);
		if (!json_valid(one)) return fail(CNI_BAD_CONFIG, "prevResult has no %s address to replace", family);
		r->text = json_member(one, "address");
		if (!json_string(r->text, text, sizeof text) || (strchr(text, ':') != NULL) != (ip->family == AF_INET6)) continue;
		if (!json_get(one, "gateway", gateway, sizeof gateway)) return fail(CNI_BAD_CONFIG, "prevResult gives %s no gateway", text);
		if (parse_replaced(r, text, gateway)) return true;
		return fail(CNI_BAD_CONFIG, "prevResult has address %s, gateway %s: not %s with a prefix", text, gateway, family);
	}
}

static int by_place(const void *one, const void *other)
{
	const replacement *a = one, *b = other;
	return a->text.at < b->text.at ? -1 : 1;
}

bool read_replacements(network_config *config, const awaited_pod *pod)
{
	for (; config->count < pod->count; config->count++)
		if (!read_replacement(config, &pod->ips[config->count], &config->at[config->count])) return false;
	qsort(config->at, config->count, sizeof *config->at, by_place);
	return true;
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

static bool parse_ip(awaited_pod *pod, const char *text)
{
	if (pod->count == FAMILIES || !read_address(text, &pod->ips[pod->count])) return false;
	if (pod->count && pod->ips[0].family == pod->ips[pod->count].family) return false;
	return ++pod->count;
}

static bool parse_line(awaited_pod *pod, const char *line)
{
	if (!strncmp(line, "ip=", 3)) return parse_ip(pod, line + 3);
	if (!strncmp(line, "mtu=", 4)) return (pod->mtu = (unsigned)strtoul(line + 4, NULL, 10)) >= 68;
	return true;
}

static bool parse_file(awaited_pod *pod, char *text)
{
	char *line;
	while ((line = strsep(&text, "\n")))
		if (!parse_line(pod, line)) return false;
	return pod->count;
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
	return ok || fail(CNI_AWAITED_FILE, "%s: expected a line ip=ADDRESS for each family and maybe mtu=N", path);
}

int print_result(const network_config *config)
{
	char ip[INET6_ADDRSTRLEN];
	const char *from = config->result.at;
	for (unsigned i = 0; i < config->count; i++) {
		const replacement *r = &config->at[i];
		fwrite(from, 1, (size_t)(r->text.at - from), stdout);
		printf("\"%s/%u\"", print_address(ip, &r->ip), host_bits(&r->ip));
		from = r->text.end;
	}
	fwrite(from, 1, (size_t)(config->result.end - from), stdout);
	return fflush(stdout) ? 1 : 0;
}
