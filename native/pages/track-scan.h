// PAGEMAP_SCAN: which pages of a range are in a state, and write-protecting them again in the same step.
#pragma once
#include "track-kernel.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct {
	uint64_t flags, inverted, all, any, report;
} page_query;

typedef void (*on_region)(void *context, uint64_t start, uint64_t end, uint64_t categories);

// Calls for every run of pages of [start, end) that the query matches, ascending. False with errno.
bool scan_pages(int pagemap, uint64_t start, uint64_t end, const page_query *query, on_region each, void *context);
// True when the mapping that START lies in is watched by a userfaultfd in asynchronous write-protect mode.
bool is_watched(int pagemap, uint64_t start);
// The bit of guard pages, or 0 on a kernel that does not know it.
uint64_t guard_bit(void);
