// Whether criu gets our preload, which leaves out memory that travels by itself, and brings it back.
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
	bool skips = type == CRIU_DUMP && is_set("PODMOTION_SKIP");
	bool brings = type == CRIU_RESTORE && is_set("PODMOTION_PAGES");
	*preload = NULL;
	if (!skips && !brings) return true;
	if (!make_path(path, "%s/podmotion-criu-pages.so", env_or("PODMOTION_LIBEXEC", "/opt/podmotion/libexec"))) return !brings;
	if (!file_exists(path)) return !brings;
	*preload = path;
	return true;
}
