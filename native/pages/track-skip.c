// The files that tell criu's preload what it need not write: one a process, one a segment.
#include "track.h"
#include "files.h"
#include "track-answer.h"
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// What is left of an earlier attempt would make criu leave out memory that nobody sent.
void clean_skip_folder(tracker *t)
{
	char path[PATH_SIZE];
	struct dirent *entry;
	if (mkdir(t->skip, 0700) && errno != EEXIST) stop_with("making the folder %s: %s", t->skip, strerror(errno));
	DIR *folder = opendir(t->skip);
	if (!folder) stop_with("opening the folder %s: %s", t->skip, strerror(errno));
	while ((entry = readdir(folder)))
		if (entry->d_type != DT_DIR && (!make_path(path, "%s/%s", t->skip, entry->d_name) || unlink(path))) stop_with("removing %s from %s: %s", entry->d_name, t->skip, strerror(errno));
	closedir(folder);
}

static void write_file(const tracker *t, const char *text, const char *format, ...)
{
	char name[64], path[PATH_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(name, sizeof name, format, args);
	va_end(args);
	if (!make_path(path, "%s/%s", t->skip, name) || !write_atomically(path, text)) stop_with("writing %s/%s: %s", t->skip, name, strerror(errno));
}

static void write_ranges(const tracker *t, const process *p)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	for (size_t i = 0; out && i < p->area_count; i++) fprintf(out, "%lx %lx\n", (unsigned long)p->areas[i].start, (unsigned long)p->areas[i].end);
	if (!out || fclose(out)) stop_with("listing the memory of process %d: no memory left on this node", (int)p->pid);
	write_file(t, text, "%d", (int)p->pid);
	free(text);
}

static void write_smaps(const tracker *t, const process *p)
{
	char *text = compose_smaps(&p->smaps, p->maps);
	if (text) write_file(t, text, "%d.smaps", (int)p->pid);
	free(text);
}

void write_skip_files(tracker *t)
{
	char device[32];
	for (size_t i = 0; i < t->process_count; i++) {
		write_ranges(t, t->processes[i]);
		write_smaps(t, t->processes[i]);
	}
	for (size_t i = 0; i < t->segment_count; i++) {
		const segment *g = &t->segments[i];
		if (!g->announced || g->left || !g->mapped) continue;
		snprintf(device, sizeof device, "%lx\n", (unsigned long)g->device);
		write_file(t, device, "shm-%lu", (unsigned long)g->inode);
	}
}
