// Starts the stand-in: forks it, writes the pid file and the record, and lets `create` return at once.
#include "standin.h"
#include "record.h"
#include "report.h"
#include "serve.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// The child says 0 when its socket listens, else its errno: `create` must not succeed before.
static void become_standin(int ready, const invocation *in, const char *directory, const char *marker)
{
	static standin self;
	prctl(PR_SET_NAME, "podmotion-stand");
	// The restored first process is left behind by runc's detach: it must come to us, to be waited for.
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	bool ok = prepare_standin(&self, in, directory, marker);
	int error = ok ? 0 : errno ? errno : EIO;
	if (write(ready, &error, sizeof error) != sizeof error || error) _exit(1);
	close(ready);
	exit(serve_standin(&self));
}

static bool write_pid_file(const char *path, pid_t pid)
{
	char text[32];
	snprintf(text, sizeof text, "%d", (int)pid);
	return !path || write_atomically(path, text);
}

static int give_up(const invocation *in, pid_t child, const char *doing, int error)
{
	report(in, "starting the stand-in of %s: %s: %s", in->id, doing, strerror(error));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	remove_record(in->id);
	return 1;
}

int start_standin(const invocation *in, const char *directory, const char *marker)
{
	int ready[2], error = EPIPE;
	if (pipe(ready)) return report(in, "starting the stand-in of %s: pipe: %s", in->id, strerror(errno)), 1;
	pid_t child = fork();
	if (child < 0) return report(in, "starting the stand-in of %s: fork: %s", in->id, strerror(errno)), 1;
	if (child == 0) {
		close(ready[0]);
		become_standin(ready[1], in, directory, marker);
	}
	close(ready[1]);
	if (read(ready[0], &error, sizeof error) != sizeof error) error = EPIPE;
	if (error) return give_up(in, child, "its socket", error);
	if (!write_record(in->id, child, directory, in->bundle)) return give_up(in, child, "its record", errno);
	if (!write_pid_file(in->pid_file, child)) return give_up(in, child, "the pid file", errno);
	return 0;
}
