// `create`: a container of ours is started afresh, stood in for, or refused.
#include "create.h"
#include "birth.h"
#include "mptcp.h"
#include "places.h"
#include "report.h"
#include "standin.h"
#include <string.h>
#include <sys/stat.h>

static bool is_directory(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

// The gate let this state go although its stand-in died before it could say so: it lived, and must not come back.
static bool was_released(const char *directory)
{
	char path[PATH_SIZE], decision[16];
	return make_path(path, "%s/gate.decision", directory) && first_line(path, decision, sizeof decision) && !strcmp(decision, "go");
}

static int receive(const invocation *in, const pod *p)
{
	char directory[PATH_SIZE], marker[PATH_SIZE];
	if (!awaited_directory(directory, p) || !restored_marker(marker, p))
		return report(in, "container %s of pod %s/%s: its name is too long", p->container, p->namespace, p->name), 1;
	if (file_exists(marker)) return -1;
	if (!is_directory(directory)) {
		report(in, "container %s of pod %s/%s: this pod receives migration %s; its agent has not announced it on this node "
		       "(is the podmotion agent running?)", p->container, p->namespace, p->name, p->migration);
		return 1;
	}
	if (was_released(directory)) return mark_restored(marker) ? -1 : (report(in, "writing %s failed", marker), 1);
	if (in->console_socket) {
		report(in, "container %s of pod %s/%s has a terminal (tty: true) and cannot be received", p->container, p->namespace, p->name);
		return 1;
	}
	return start_standin(in, directory, marker);
}

// Nothing runs in the sandbox yet, and all its CNI plugins are done. A received pod was attached by ours, and is held.
static void prepare_network(const pod *p)
{
	forbid_mptcp(p->network);
	if (!p->migration[0]) attach_at_birth(p->network);
}

int create_container(const invocation *in)
{
	pod p;
	char migration[256];
	pod_result result = read_pod(in->bundle, &p);
	if (result == POD_NO_CONFIG) return -1; // runc says it better
	if (result == POD_BROKEN)
		return report(in, "reading annotations of %s/config.json: not valid; the container is not started, it may be a moved one", in->bundle), 1;
	if (!strcmp(p.type, "sandbox") && p.network[0]) prepare_network(&p);
	if (!p.container[0] || !strcmp(p.type, "sandbox")) return -1;
	if (is_source(&p, migration, sizeof migration)) {
		report(in, "container %s of pod %s/%s is being moved (migration %s); it is not started again here until that ends",
		       p.container, p.namespace, p.name, migration);
		return 1;
	}
	return p.migration[0] ? receive(in, &p) : -1;
}
