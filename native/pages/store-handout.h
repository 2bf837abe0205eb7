// Hands the filled segments out to criu's preload.
#pragma once
#include "store.h"

void hand_out_segments(store *s, int fd);
// The order `quit`: ends the program, but only when no restored process waits for its pages any more.
void end_store(store *s);
