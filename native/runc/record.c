// RUN/standins/<id>: which stand-in answers for a container id, and whether it still lives.
#include "record.h"
#include "places.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool record_path(char out[PATH_SIZE], const char *id)
{
	return !strchr(id, '/') && id[0] != '.' && make_path(out, "%s/standins/%s", run_directory(), id);
}

// Field 22 of /proc/PID/stat, counted after the name, which may hold anything but ends with the last ')'.
// Sets whether it is a zombie: that one has ended.
static bool start_time(pid_t pid, unsigned long long *started, char *state)
{
	char path[64], line[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (!first_line(path, line, sizeof line)) return false;
	const char *rest = strrchr(line, ')');
	return rest && sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", state, started) == 2;
}

bool write_record(const char *id, pid_t pid, const char *directory, const char *bundle)
{
	char path[PATH_SIZE], text[2 * PATH_SIZE + 64], absolute[PATH_SIZE], state;
	unsigned long long started = 0;
	if (!record_path(path, id) || !start_time(pid, &started, &state)) return false;
	if (!realpath(bundle, absolute)) return false;
	snprintf(text, sizeof text, "%d\n%s\n%llu\n%s\n", (int)pid, directory, started, absolute);
	char folder[PATH_SIZE];
	return make_path(folder, "%s/standins", run_directory()) && make_directories(folder, 0700) && write_atomically(path, text);
}

static bool take_line(char **text, char *out, size_t size)
{
	char *line = strsep(text, "\n");
	if (!line || strlen(line) >= size) return false;
	strcpy(out, line);
	return true;
}

bool read_record(const char *id, record *out)
{
	char path[PATH_SIZE], pid[32], started[32];
	if (!record_path(path, id)) return false;
	char *text = read_file(path, 1 << 16, NULL), *rest = text;
	if (!text) return false;
	bool ok = take_line(&rest, pid, sizeof pid) && take_line(&rest, out->directory, sizeof out->directory) &&
		  take_line(&rest, started, sizeof started) && take_line(&rest, out->bundle, sizeof out->bundle);
	free(text);
	if (!ok) return false;
	out->pid = atoi(pid);
	out->started = strtoull(started, NULL, 10);
	return out->pid > 0;
}

void remove_record(const char *id)
{
	char path[PATH_SIZE];
	if (record_path(path, id)) unlink(path);
}

// The pidfd first, the check after: what it names cannot change any more.
int open_standin(const record *r)
{
	unsigned long long started;
	char state;
	int fd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	if (fd < 0) return -1;
	if (start_time(r->pid, &started, &state) && started == r->started && state != 'Z') return fd;
	close(fd);
	return -1;
}
