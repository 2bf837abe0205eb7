// Watches which parts of files are written, so that the rest need not be looked at again. Whatever is uncertain about it makes files stale as a whole.
#pragma once
#include "stale.h"

// For files of the file system of FOLDER. NULL, or why not; then everything is stale always.
const char *start_watching(const char *folder);
// The open file is known by this number. NULL, or why not.
const char *watch_file(unsigned file, int fd);
// All that was written until now is stale afterwards.
void gather_writes(void);
// What has gathered since it was asked for the last time, for the caller to free. Without gather_writes() in between, or of another inode: everything.
stale stale_now(unsigned file, uint64_t inode, uint64_t size);
void end_watching(void);
