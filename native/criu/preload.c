// Whether criu gets our preload, which leaves out memory that travels by itself, and brings it back; of any dump it shortens the repair of sockets.
#include "preload.h"
#include "protobuf.h"
#include <stdlib.h>

static bool is_set(const char *name)
{
	const char *value = getenv(name);
	return value && *value;
}

// Without it a dump is only larger than it had to be; a restore would give its processes empty shared memory.
bool find_preload(unsigned type, char path[PATH_SIZE], const char **preload)
{
	bool has_pages = is_set("PODMOTION_PAGES"), brings = type == CRIU_RESTORE && has_pages;
	*preload = NULL;
	if (!brings && (type != CRIU_DUMP || has_pages)) return true;
	if (!make_path(path, "%s/podmotion-criu-pages.so", env_or("PODMOTION_LIBEXEC", "/opt/podmotion/libexec"))) return !brings;
	if (!file_exists(path)) return !brings;
	*preload = path;
	return true;
}
