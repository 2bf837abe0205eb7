// `sockets PID...`: every TCP socket of a pod with its sequence numbers, and what of its descriptors cannot be moved. `unrepair PID...`.
#include "command.h"
#include "descriptor.h"
#include "reason.h"
#include "repair.h"
#include "tcp.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
	inode_set seen, unix_sockets;
	reasons found;
	unsigned printed;
	bool only_reasons;
} survey;

static void take_socket(survey *s, pid_t pid, int pidfd, int number, uint64_t inode)
{
	if (!add_inode(&s->seen, inode)) return;
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	if (fd < 0) return;
	int family = socket_option(fd, SOL_SOCKET, SO_DOMAIN), protocol = socket_option(fd, SOL_SOCKET, SO_PROTOCOL);
	if (family == AF_UNIX) add_inode(&s->unix_sockets, inode);
	else if (is_tcp(family, protocol) && s->only_reasons) (void)0; // a process that runs gets EPERM from a socket in repair
	else if (is_tcp(family, protocol)) print_tcp(fd, inode, family, s->printed++ == 0);
	else check_socket(&s->found, pid, number, family, protocol);
	close(fd);
}

static void take_descriptor(survey *s, pid_t pid, int pidfd, const char *name)
{
	char path[64], target[512];
	uint64_t inode;
	snprintf(path, sizeof path, "/proc/%d/fd/%.20s", (int)pid, name);
	ssize_t n = readlink(path, target, sizeof target - 1);
	if (n < 0) return; // closed meanwhile: the process runs
	target[n] = 0;
	if (sscanf(target, "socket:[%" SCNu64 "]", &inode) == 1) take_socket(s, pid, pidfd, atoi(name), inode);
	else check_target(&s->found, pid, atoi(name), target);
}

static int survey_process(survey *s, pid_t pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	DIR *directory = opendir(path);
	if (pidfd < 0 || !directory) {
		int saved = errno;
		if (directory) closedir(directory);
		if (pidfd >= 0) close(pidfd);
		// Ended since the agent listed it: nothing of it is left to move.
		return saved == ESRCH || saved == ENOENT ? 0 : complain("sockets: process %d: %s", (int)pid, strerror(saved));
	}
	struct dirent *entry;
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.') take_descriptor(s, pid, pidfd, entry->d_name);
	closedir(directory);
	close(pidfd);
	return 0;
}

// What of a running pod cannot be moved; touches no socket's state, unlike `sockets`.
int reasons_command(int argc, char **argv)
{
	survey s = {.only_reasons = true};
	if (argc < 1) return complain("reasons: expected PID...");
	for (int i = 0; i < argc; i++)
		if (survey_process(&s, (pid_t)atoi(argv[i]))) return 1;
	int code = check_unix_peers(&s.found, &s.unix_sockets, argc, argv);
	fputs("{\"reasons\":[", stdout);
	print_reasons(&s.found);
	puts("]}");
	free(s.seen.at);
	free(s.unix_sockets.at);
	return code;
}

enum { INPUT_SIZE = 1 << 20 };

// Words of standard input, in place of the only argument `-`: whoever asks inside a freeze has started us before it.
static int words_of_input(char ***words)
{
	static char text[INPUT_SIZE], *all[INPUT_SIZE / 2 + 1];
	int count = 0;
	text[fread(text, 1, sizeof text - 1, stdin)] = 0;
	for (char *word = strtok(text, " \n"); word; word = strtok(NULL, " \n")) all[count++] = word;
	*words = all;
	return count;
}

int sockets_command(int argc, char **argv)
{
	if (argc == 1 && !strcmp(argv[0], "-")) argc = words_of_input(&argv);
	survey s = {0};
	if (argc < 1) return complain("sockets: expected PID...");
	fputs("{\"sockets\":[", stdout);
	for (int i = 0; i < argc; i++)
		if (survey_process(&s, (pid_t)atoi(argv[i]))) return 1;
	int code = check_unix_peers(&s.found, &s.unix_sockets, argc, argv);
	fputs("],\"reasons\":[", stdout);
	print_reasons(&s.found);
	puts("]}");
	free(s.seen.at);
	free(s.unix_sockets.at);
	return code;
}

// After a criu that was killed in the middle of a dump: its sockets would take no data from the process and send none.
int unrepair_command(int argc, char **argv)
{
	unsigned freed = 0;
	if (argc < 1) return complain("unrepair: expected PID...");
	for (int i = 0; i < argc; i++) freed += leave_repair_of((pid_t)atoi(argv[i]));
	printf("{\"freed\":%u}\n", freed);
	return 0;
}
