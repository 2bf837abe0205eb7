// criu stops what it traces with hardware breakpoints, and to the kernel each is a perf event. The first event of a task, where no other one has
// lived for a second, switches the accounting of them on and waits until every processor has seen that (Linux 6.18, kernel/events/core.c,
// account_event): measured 4 to 16 ms, against 0.04 ms for a second one. So one that counts nothing is there before criu is let go.
#include "breakpoints.h"
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

// It lives as long as we do, and no program that we start gets it. A kernel that has or allows none: criu waits as before.
void prepare_breakpoints(void)
{
	struct perf_event_attr nothing = {.type = PERF_TYPE_SOFTWARE, .size = sizeof nothing, .config = PERF_COUNT_SW_DUMMY, .disabled = 1};
	syscall(SYS_perf_event_open, &nothing, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}
