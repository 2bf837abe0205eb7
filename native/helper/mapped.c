// Files that processes have mapped, from all /proc/PID/maps.
#include "mapped.h"
#include "files.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAPS_LIMIT = 256 << 20 };

// `from-to rw-s offset major:minor inode path`. Whatever its rights are: they can change. By the inode alone: an overlay shows another device.
static void look_at_line(const char *line, void (*mapped)(uint64_t inode))
{
	char shared;
	uint64_t inode;
	if (sscanf(line, "%*s %*c%*c%*c%c %*s %*s %" SCNu64, &shared, &inode) == 2 && shared == 's') mapped(inode);
}

static bool look_at_process(const char *pid, void (*mapped)(uint64_t inode))
{
	char path[PATH_SIZE];
	if (!make_path(path, "/proc/%s/maps", pid)) return false;
	char *maps = read_file(path, MAPS_LIMIT, NULL);
	// It has ended.
	if (!maps) return errno == ENOENT || errno == ESRCH;
	for (char *line = maps; *line; line += strcspn(line, "\n"), line += *line == '\n') look_at_line(line, mapped);
	free(maps);
	return true;
}

bool find_mapped(void (*mapped)(uint64_t inode))
{
	DIR *proc = opendir("/proc");
	bool ok = proc != NULL;
	for (struct dirent *entry; ok && (entry = readdir(proc));)
		if (isdigit((unsigned char)entry->d_name[0])) ok = look_at_process(entry->d_name, mapped);
	if (proc) closedir(proc);
	return ok;
}
