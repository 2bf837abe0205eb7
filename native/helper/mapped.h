// Files that processes have mapped.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Calls for each inode with a shared mapping, of any device. False: not all processes could be looked at.
bool find_mapped(void (*mapped)(uint64_t inode));
