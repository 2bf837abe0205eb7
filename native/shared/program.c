// Finds the real program that one of ours stands in front of.
#include "program.h"
#include <string.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

// Our own folder stands first in PATH under the same name: taking that one would loop for ever.
static bool is_ourselves(const char *path)
{
	struct stat candidate, self;
	if (stat(path, &candidate) || stat("/proc/self/exe", &self)) return false;
	return candidate.st_dev == self.st_dev && candidate.st_ino == self.st_ino;
}

static bool usable(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0 && !is_ourselves(path);
}

static bool find_in_path(char out[PATH_SIZE], const char *name)
{
	const char *path = env_or("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	while (path) {
		const char *end = strchrnul(path, ':');
		if (end > path && make_path(out, "%.*s/%s", (int)(end - path), path, name) && usable(out)) return true;
		path = *end ? end + 1 : NULL;
	}
	return false;
}

bool find_program(char out[PATH_SIZE], const char *env, const char *file, const char *name)
{
	const char *given = getenv(env);
	char line[PATH_SIZE];
	if (!given || !*given) given = first_line(file, line, sizeof line) ? line : NULL;
	if (!given) return find_in_path(out, name);
	if (strchr(given, '/')) return make_path(out, "%s", given);
	return find_in_path(out, given);
}
