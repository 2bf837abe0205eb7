// Pages that criu restores at once, from images.
#pragma once
#include "store.h"
#include "protobuf.h"

// True for a mapping whose contents criu never restores lazily and that the tracker copies all the same: a private mapping of a file.
bool is_eager(bytes vma);
// How many pages of the process are here, and, where LATER, still at the source.
size_t pages_between(const owner *o, uint64_t start, uint64_t end, bool later);
// Writes those pages of all such mappings in MM (criu's image of the process) into the images, and forgets them.
bool write_eager(const store *s, owner *o, bytes mm, char *why, size_t size);
