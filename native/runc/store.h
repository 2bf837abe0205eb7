// The store of a container's memory (podmotion-pages store), as a child of the stand-in.
#pragma once
#include "places.h"
#include <sys/types.h>

typedef struct {
	pid_t pid;  // 0: none
	int output; // its stdout until it has said that it listens, then -1
	int code;   // how the last one ended
	char socket[PATH_SIZE];
} store;

// Takes `pages IMAGES WORK` apart, in place.
bool parse_pages(char *line, char **images, char **work);
// Starts it; false when that failed.
bool spawn_store(store *s, const char *directory, char *images, char *work);
// To be called when its output can be read. True: it listens. False: it has ended, `code` says how.
bool hear_store(store *s);
// Reaps it, if it has ended.
void reap_store(store *s);
void note_store_end(store *s, int status);
void kill_store(store *s);
