// Whether criu gets our preload, which leaves out memory that travels by itself, and brings it back.
#pragma once
#include "files.h"

// For a request of TYPE: *PRELOAD is PATH, or NULL for none. False: it is needed, and PATH is not there.
bool find_preload(unsigned type, char path[PATH_SIZE], const char **preload);
