// The kernel's interface that the tracker needs, written down here: the build host's headers may be older than the kernel it runs on.
// Sources: Linux 6.18 include/uapi/linux/userfaultfd.h and fs.h.
#pragma once
#include <stdint.h>

enum { PAGE = 4096 };

struct uffd_api {
	uint64_t api, features, ioctls;
};
struct uffd_range {
	uint64_t start, length;
};
struct uffd_register {
	struct uffd_range range;
	uint64_t mode, ioctls;
};
struct uffd_protect {
	struct uffd_range range;
	uint64_t mode;
};

#define UFFD_API_IOCTL 0xc018aa3fu
#define UFFD_REGISTER_IOCTL 0xc020aa00u
#define UFFD_PROTECT_IOCTL 0xc018aa06u
enum { UFFD_VERSION = 0xAA, UFFD_REGISTER_WP = 2, UFFD_PROTECT = 1, UFFD_WP_ASYNC = 1 << 15, UFFD_USER_ONLY = 1 };

struct page_scan {
	uint64_t size, flags, start, end, walk_end, regions, region_count, page_limit, inverted, all, any, report;
};
struct page_region {
	uint64_t start, end, categories;
};

#define PAGE_SCAN_IOCTL 0xc0606610u
enum { SCAN_PROTECT = 1, SCAN_CHECK = 2 };
enum {
	PAGE_TRACKED = 1 << 0, // in a mapping that a userfaultfd write-protects asynchronously
	PAGE_WRITTEN = 1 << 1,
	PAGE_FILE = 1 << 2,
	PAGE_PRESENT = 1 << 3,
	PAGE_SWAPPED = 1 << 4, // also any marker in the page table
	PAGE_ZERO_FRAME = 1 << 5,
	PAGE_GUARD = 1 << 8, // Linux 6.15
};

enum { CALL_PIDFD_OPEN = 434, CALL_PIDFD_GETFD = 438, TRACE_SUSPEND_SECCOMP = 1 << 21 };

// What this kernel lacks, with errno, or NULL.
const char *missing_in_kernel(void);
