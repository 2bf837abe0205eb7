// podmotion-criu: what runc starts as `criu`; it puts a gate between the two.
#include "child.h"
#include "relay.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char path[PATH_SIZE];
	if (argc == 3 && !strcmp(argv[1], "swrk")) return relay(atoi(argv[2]));
	if (!find_criu(path)) return fprintf(stderr, "podmotion-criu: no criu in PODMOTION_CRIU, /opt/podmotion/etc/criu-path or PATH\n"), 127;
	execv(path, argv);
	fprintf(stderr, "podmotion-criu: starting %s: %s\n", path, strerror(errno));
	return 127;
}
