// Contents made smaller on their way, where that pays.
#pragma once
#include "wire.h"
#include <stddef.h>

typedef struct packer packer;

packer *new_packer(void);
void free_packer(packer *p);
// Contents of LENGTH <= PACK_BYTES as an LZ4 block in *PACKED, which is the packer's until the next call; 0: it does not pay, or was not tried.
size_t pack(packer *p, const void *data, size_t length, const void **packed);
