// `sockets PID...`: every TCP socket of a pod with its sequence numbers, options that criu does not carry, and what of its descriptors cannot be
// moved. `unrepair PID...`.
#include "command.h"
#include "descriptor.h"
#include "options.h"
#include "reason.h"
#include "repair.h"
#include "tcp.h"
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
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
	// To be set.
	option_lines lines;
	// Texts of JSON arrays.
	FILE *options, *refused;
} survey;

// Of a socket that is not asked for its options those are set that were told.
static void take_options(survey *s, pid_t pid, int fd, int family, int protocol)
{
	if (s->only_reasons || (family != AF_INET && family != AF_INET6) || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)) return;
	if (s->lines.count) set_options(s->refused, &s->lines, fd, protocol);
	else print_options(s->options, fd, family, protocol, pid);
}

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
	take_options(s, pid, fd, family, protocol);
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

// Standard input in place of the only argument `-`: whoever asks inside a freeze has started us before it. A line of pids, then lines of options.
static int words_of_input(char ***words, option_lines *lines)
{
	// What the words point into, until the program ends.
	static char *text, **all;
	char *rest = NULL;
	size_t size = 0, room = 0;
	int count = 0;
	ssize_t length = getdelim(&text, &size, 0, stdin);
	if (length <= 0) return 0;
	char *line = strtok_r(text, "\n", &rest);
	all = calloc((size_t)length / 2 + 1, sizeof *all);
	*words = all;
	for (char *next, *word = line ? strtok_r(line, " ", &next) : NULL; word && all; word = strtok_r(NULL, " ", &next)) all[count++] = word;
	for (line = strtok_r(NULL, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (lines->count == room) lines->at = reallocarray(lines->at, room = room ? 2 * room : 64, sizeof *lines->at);
		if (!lines->at) abort();
		lines->at[lines->count++] = line;
	}
	sort_options(lines);
	return count;
}

static int survey_all(survey *s, int count, char **pids)
{
	fputs("{\"sockets\":[", stdout);
	for (int i = 0; i < count; i++)
		if (survey_process(s, (pid_t)atoi(pids[i]))) return 1;
	return check_unix_peers(&s->found, &s->unix_sockets, count, pids);
}

int sockets_command(int argc, char **argv)
{
	survey s = {0};
	char *options = NULL, *refused = NULL;
	size_t sizes[2];
	if (argc == 1 && !strcmp(argv[0], "-")) argc = words_of_input(&argv, &s.lines);
	if (argc < 1) return complain("sockets: expected PID...");
	s.options = open_memstream(&options, &sizes[0]);
	s.refused = open_memstream(&refused, &sizes[1]);
	if (!s.options || !s.refused) return complain("sockets: out of memory");
	int code = survey_all(&s, argc, argv);
	fclose(s.options);
	fclose(s.refused);
	fputs("],\"reasons\":[", stdout);
	print_reasons(&s.found);
	printf("],\"options\":[%s],\"refused\":[%s]}\n", options, refused);
	free(options);
	free(refused);
	free(s.lines.at);
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
