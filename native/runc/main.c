// podmotion-runc: stands before runc, and steps in only for containers that move.
#include "answer.h"
#include "create.h"
#include "places.h"
#include "report.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

static int exec_runc(const invocation *in)
{
	char runc[PATH_SIZE];
	if (!find_runc(runc)) return report(in, "finding runc: none in PODMOTION_RUNC, /opt/podmotion/etc/runc-path or PATH"), 1;
	execv(runc, in->argv);
	return report(in, "starting %s: %s", runc, strerror(errno)), 1;
}

int main(int argc, char **argv)
{
	invocation in = parse_invocation(argc, argv);
	bool create = in.subcommand && in.id && !strcmp(in.subcommand, "create");
	int code = create ? create_container(&in) : answer_for_standin(&in);
	return code >= 0 ? code : exec_runc(&in);
}
