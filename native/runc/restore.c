// Runs `runc restore` for a stand-in.
#include "restore.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

bool parse_restore(char *line, restore_order *order)
{
	char *rest = line;
	strsep(&rest, " ");
	order->images = strsep(&rest, " ");
	order->work = strsep(&rest, " ");
	char *lazy = rest;
	if (!order->images || !order->work || !lazy || strlen(lazy) != 1 || !strchr("01", *lazy)) return false;
	order->lazy = *lazy == '1';
	return order->images[0] == '/' && order->work[0] == '/';
}

// What podmotion-criu reads; see ../README.md.
static bool set_environment(const char *directory, const restore_mode *mode)
{
	char path[2 * PATH_SIZE], gate[PATH_SIZE];
	const char *old = env_or("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	int n = snprintf(path, sizeof path, "%s:%s", libexec_directory(), old);
	if (n >= (int)sizeof path || !make_path(gate, "%s/gate.sock", directory)) return false;
	if (mode->held && setenv("PODMOTION_HOLD_RESTORE", "1", 1)) return false;
	if (mode->pages && setenv("PODMOTION_PAGES", mode->pages, 1)) return false;
	// Warnings and errors: a line for every page is written while the pod is frozen.
	if (setenv("PODMOTION_CRIU_LOG_LEVEL", "2", 0)) return false;
	return !setenv("PATH", path, 1) && !setenv("PODMOTION_GATE", gate, 1);
}

// argv of `runc <same globals> restore …`; the stand-in's own globals carry --root and --log.
static char **build_arguments(const invocation *in, const char *runc, char *pid_file, const restore_order *order)
{
	char *tail[] = {"restore", "--detach", "--bundle", (char *)in->bundle, "--pid-file", pid_file, "--tcp-established",
			"--manage-cgroups-mode", "ignore", "--image-path", order->images, "--work-path", order->work};
	size_t globals = (size_t)in->subcommand_at - 1, tails = sizeof tail / sizeof *tail, n = 0;
	char **argv = calloc(1 + globals + tails + 3, sizeof *argv);
	if (!argv) return NULL;
	argv[n++] = (char *)runc;
	for (size_t i = 0; i < globals; i++) argv[n++] = in->argv[1 + i];
	for (size_t i = 0; i < tails; i++) argv[n++] = tail[i];
	if (order->lazy) argv[n++] = "--lazy-pages";
	argv[n++] = (char *)in->id;
	return argv;
}

static void exec_restore(const invocation *in, const char *directory, const restore_order *order, const restore_mode *mode, pid_t parent)
{
	char runc[PATH_SIZE], pid_file[PATH_SIZE];
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	// If the stand-in dies before the restore is done, runc goes too: the gate sees it and, undecided, gives up.
	// The restored process does not inherit this.
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || !find_runc(runc) || !set_environment(directory, mode)) _exit(127);
	if (!make_path(pid_file, "%s/pid", directory)) _exit(127);
	char **argv = build_arguments(in, runc, pid_file, order);
	if (argv) execv(runc, argv);
	_exit(127);
}

pid_t spawn_restore(const invocation *in, const char *directory, const restore_order *order, const restore_mode *mode)
{
	char marker[PATH_SIZE], pid_file[PATH_SIZE];
	if (!make_path(marker, "%s/restoring", directory) || !write_atomically(marker, "")) return -1;
	if (!make_path(pid_file, "%s/pid", directory)) return -1;
	unlink(pid_file);
	pid_t parent = getpid(), child = fork();
	if (child == 0) exec_restore(in, directory, order, mode, parent);
	return child;
}

pid_t read_restored_pid(const char *directory)
{
	char path[PATH_SIZE], text[32];
	if (!make_path(path, "%s/pid", directory) || !first_line(path, text, sizeof text)) return 0;
	return atoi(text);
}

bool was_let_go(const char *directory)
{
	char path[PATH_SIZE], decision[16];
	return make_path(path, "%s/gate.decision", directory) && first_line(path, decision, sizeof decision) && !strcmp(decision, "go");
}
