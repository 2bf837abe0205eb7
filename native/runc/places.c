// Where the agent and this program meet on disk; the contract is in ../README.md.
#include "places.h"
#include "program.h"
#include <stdio.h>
#include <string.h>

const char *run_directory(void)
{
	return env_or("PODMOTION_RUN_DIR", "/run/podmotion");
}

const char *state_directory(void)
{
	return env_or("PODMOTION_STATE_DIR", "/var/lib/podmotion");
}

const char *libexec_directory(void)
{
	return env_or("PODMOTION_LIBEXEC", "/opt/podmotion/libexec");
}

bool find_runc(char out[PATH_SIZE])
{
	return find_program(out, "PODMOTION_RUNC", "/opt/podmotion/etc/runc-path", "runc");
}

bool awaited_directory(char out[PATH_SIZE], const pod *p)
{
	return make_path(out, "%s/awaited/%s_%s/%s", run_directory(), p->namespace, p->name, p->container);
}

bool restored_marker(char out[PATH_SIZE], const pod *p)
{
	return make_path(out, "%s/restored/%s_%s/%s", state_directory(), p->namespace, p->name, p->container);
}

bool mark_restored(const char *marker)
{
	char directory[PATH_SIZE];
	if (!make_path(directory, "%s", marker)) return false;
	*strrchr(directory, '/') = 0;
	return make_directories(directory, 0700) && write_durably(marker, "restored\n");
}

static bool read_source(const char *directory, const pod *p, char *out, size_t size)
{
	char path[PATH_SIZE];
	if (!make_path(path, "%s/moving/%s", directory, p->uid) || !file_exists(path)) return false;
	// An empty or odd file still says that the pod is held: only the name of the migration is unknown.
	if (!first_line(path, out, size)) snprintf(out, size, "unknown");
	return true;
}

bool is_source(const pod *p, char *out, size_t size)
{
	if (!p->uid[0]) return false;
	return read_source(run_directory(), p, out, size) || read_source(state_directory(), p, out, size);
}
