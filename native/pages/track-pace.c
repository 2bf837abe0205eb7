// A tracker starts as urgent as the agent, whose work other pods stand still for. While it copies memory of a program that runs, every
// time slice that it wins is the program's loss.
#include "track-pace.h"
#include <errno.h>
#include <stdbool.h>
#include <sys/resource.h>

// A tenth of the weight of an ordinary thread. Not the least there is: the program waits at times for a lock on its mappings that we hold.
enum { AHEAD = 10 };

static int own;
static bool known, allowed;

// Raising is what needs a right (CAP_SYS_NICE): tried before anything is lowered.
static void find_out(void)
{
	known = true;
	errno = 0;
	own = getpriority(PRIO_PROCESS, 0);
	if (errno || own >= AHEAD) return;
	allowed = !setpriority(PRIO_PROCESS, 0, own - 1);
	setpriority(PRIO_PROCESS, 0, own);
}

void give_way(void)
{
	if (!known) find_out();
	if (allowed) setpriority(PRIO_PROCESS, 0, AHEAD);
}

void come_first(void)
{
	if (allowed) setpriority(PRIO_PROCESS, 0, own);
}
