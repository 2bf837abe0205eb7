// podmotion-cni: chained CNI plugin that gives a received pod the addresses it comes with, its traffic held.
#include "attach.h"
#include "config.h"
#include "error.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_LIMIT = 16 << 20 };

static int add(const char *input, size_t length)
{
	network_config config;
	awaited_pod pod;
	attachment done;
	if (!read_network_config(&config, input, length)) return 1;
	if (!find_awaited(&pod)) return 1;
	if (!pod.awaited) return print_result(&config);
	if (!read_replacements(&config, &pod)) return 1;
	if (!attach_pod(&config, &pod, &done)) return 1;
	if (!write_attachment(&config, &pod, &done)) return 1;
	return print_result(&config);
}

static int version(const char *input, size_t length)
{
	char asked[32];
	if (!json_get(json_value(json_text(input, length)), "cniVersion", asked, sizeof asked)) strcpy(asked, "1.0.0");
	printf("{\"cniVersion\":");
	json_put(stdout, asked);
	puts(",\"supportedVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}");
	return 0;
}

int main(void)
{
	const char *command = getenv("CNI_COMMAND");
	size_t length;
	char *input = read_descriptor(STDIN_FILENO, INPUT_LIMIT, &length);
	if (!command) return fail(CNI_BAD_ENVIRONMENT, "CNI_COMMAND is not set"), 1;
	if (!input) return fail(CNI_IO, "reading the configuration from stdin failed"), 1;
	int code = 0; // DEL, CHECK, STATUS, GC: nothing of ours outlives the veth pair
	if (!strcmp(command, "ADD")) code = add(input, length);
	else if (!strcmp(command, "VERSION")) code = version(input, length);
	free(input);
	return code;
}
