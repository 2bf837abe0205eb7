// A pod that may be moved listens without MPTCP from its first start: criu cannot carry an MPTCP socket, and Go programs listen with it where they
// may (since 1.24; they fall back to TCP).
#include "mptcp.h"
#include "files.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

static void forbid_in(int namespace)
{
	// A kernel without MPTCP has no such file. Whatever else goes wrong: such a pod is refused by name when it is to be moved.
	if (!setns(namespace, CLONE_NEWNET)) (void)poke("/proc/sys/net/mptcp/enabled", "0");
}

void forbid_mptcp(const char *network)
{
	int namespace = open(network, O_RDONLY | O_CLOEXEC);
	if (namespace < 0) return;
	// In a child: runc goes on where this process was.
	pid_t child = fork();
	if (child == 0) {
		forbid_in(namespace);
		_exit(0);
	}
	if (child > 0) waitpid(child, NULL, 0);
	close(namespace);
}
