// Asks the kernel, on ourselves, for what tracking needs: before any process is touched.
#include "track-kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool has_asynchronous_protection(void)
{
	struct uffd_api api = {UFFD_VERSION, UFFD_WP_ASYNC, 0};
	int own = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_ONLY);
	bool has = own >= 0 && !ioctl(own, UFFD_API_IOCTL, &api);
	int error = errno;
	if (own >= 0) close(own);
	errno = error;
	return has;
}

static bool has_page_scan(void)
{
	struct page_region region;
	struct page_scan scan = {.size = sizeof scan, .end = PAGE, .regions = (uint64_t)(uintptr_t)&region, .region_count = 1, .all = PAGE_TRACKED, .report = PAGE_TRACKED};
	int own = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	bool has = own >= 0 && ioctl(own, PAGE_SCAN_IOCTL, &scan) >= 0;
	int error = errno;
	if (own >= 0) close(own);
	errno = error;
	return has;
}

const char *missing_in_kernel(void)
{
	if (!has_asynchronous_protection()) return "userfaultfd with asynchronous write-protection";
	if (!has_page_scan()) return "PAGEMAP_SCAN";
	return NULL;
}
