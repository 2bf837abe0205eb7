// The store of a container's memory (podmotion-pages store), as a child of the stand-in.
#include "store.h"
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

bool parse_pages(char *line, char **images, char **work)
{
	char *rest = line;
	strsep(&rest, " ");
	*images = strsep(&rest, " ");
	*work = rest;
	return *images && *work && !strchr(*work, ' ') && (*images)[0] == '/' && (*work)[0] == '/';
}

// Our own stdio is the container's: what the store printed there would be taken for its words.
static bool replace_stdio(int output)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	return nothing >= 0 && dup2(nothing, 0) == 0 && dup2(output, 1) == 1 && dup2(nothing, 2) == 2;
}

static void exec_store(const store *s, char *images, char *work, int output, pid_t parent)
{
	const char *path = env_or("PODMOTION_PAGES_PROGRAM", "/opt/podmotion/bin/podmotion-pages");
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || !replace_stdio(output)) _exit(126);
	execl(path, "podmotion-pages", "store", "--socket", s->socket, "--work", work, "--images", images, (char *)NULL);
	_exit(127);
}

bool spawn_store(store *s, const char *directory, char *images, char *work)
{
	int pipes[2];
	if (!make_path(s->socket, "%s/pages.sock", directory) || pipe2(pipes, O_CLOEXEC)) return false;
	pid_t parent = getpid();
	s->pid = fork();
	if (s->pid == 0) exec_store(s, images, work, pipes[1], parent);
	close(pipes[1]);
	if (s->pid > 0) return s->output = pipes[0], true;
	close(pipes[0]);
	return s->pid = 0, false;
}

void note_store_end(store *s, int status)
{
	s->pid = 0;
	s->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void reap_store(store *s)
{
	int status;
	if (s->pid > 0 && waitpid(s->pid, &status, WNOHANG) == s->pid) note_store_end(s, status);
}

void kill_store(store *s)
{
	int status;
	if (s->pid <= 0) return;
	kill(s->pid, SIGKILL);
	if (waitpid(s->pid, &status, 0) == s->pid) note_store_end(s, status);
}

// It says one word when its sockets listen; its output's end without that is its own end.
bool hear_store(store *s)
{
	char word[64];
	ssize_t n = read(s->output, word, sizeof word);
	close(s->output);
	s->output = -1;
	if (n > 0) return true;
	// An exit may be a moment behind the end of the output; nobody else reaps it in that moment.
	kill_store(s);
	return false;
}
