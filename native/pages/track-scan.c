// The PAGEMAP_SCAN ioctl, walked to its end.
#include "track-scan.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REGIONS = 4096 };

bool scan_pages(int pagemap, uint64_t start, uint64_t end, const page_query *q, on_region each, void *context)
{
	struct page_region regions[REGIONS];
	while (start < end) {
		struct page_scan scan = {.size = sizeof scan, .flags = q->flags, .start = start, .end = end,
			.regions = (uint64_t)(uintptr_t)regions, .region_count = REGIONS,
			.inverted = q->inverted, .all = q->all, .any = q->any, .report = q->report};
		int found = ioctl(pagemap, PAGE_SCAN_IOCTL, &scan);
		if (found < 0 && errno == EINTR) continue;
		if (found < 0) return false;
		for (int i = 0; i < found; i++) each(context, regions[i].start, regions[i].end, regions[i].categories);
		if (found < REGIONS) return true;
		// The kernel fills its own buffer several times in a call, and walk_end may be left from an earlier one when the
		// last reached the end: what was reported is not to be reported again.
		uint64_t reported = regions[found - 1].end, next = scan.walk_end > reported ? scan.walk_end : reported;
		if (next <= start) return errno = EPROTO, false;
		start = next;
	}
	return true;
}

bool is_watched(int pagemap, uint64_t start)
{
	struct page_region region;
	struct page_scan scan = {.size = sizeof scan, .start = start, .end = start + PAGE, .regions = (uint64_t)(uintptr_t)&region,
		.region_count = 1, .all = PAGE_TRACKED, .report = PAGE_TRACKED};
	return ioctl(pagemap, PAGE_SCAN_IOCTL, &scan) == 1;
}

uint64_t guard_bit(void)
{
	static uint64_t bit = 1;
	if (bit != 1) return bit;
	struct page_region region;
	struct page_scan scan = {.size = sizeof scan, .start = 0, .end = PAGE, .regions = (uint64_t)(uintptr_t)&region,
		.region_count = 1, .all = PAGE_GUARD, .report = PAGE_GUARD};
	int own = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	bit = own >= 0 && ioctl(own, PAGE_SCAN_IOCTL, &scan) >= 0 ? PAGE_GUARD : 0;
	if (own >= 0) close(own);
	return bit;
}
