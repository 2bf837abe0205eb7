// What the proxy changes in runc's request to criu, and the answers that it gives in runc's place.
#include "request.h"
#include "files.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Field numbers of images/rpc.proto.
enum { REQ_TYPE = 1, REQ_OPTS = 2, REQ_NOTIFY_SUCCESS = 3 };
enum { OPTS_IMAGES_DIR_FD = 1, OPTS_LOG_LEVEL = 9, OPTS_WORK_DIR_FD = 17, OPTS_STATUS_FD = 49, OPTS_NETWORK_LOCK = 64 };
enum { RESP_TYPE = 1, RESP_SUCCESS = 2, RESP_NOTIFY = 5 };
enum { NOTIFY_SCRIPT = 1, NOTIFY_PID = 2 };
enum { NETWORK_LOCK_SKIP = 3 };

unsigned request_type(bytes request)
{
	uint64_t type;
	return find_number(request, REQ_TYPE, &type) ? (unsigned)type : 0;
}

// criu opens /proc/<creator of its socket>/fd/N. That creator is this proxy now, so it opens runc's N itself,
// above all numbers that runc handed down (they must reach criu as they are), and names the new one.
static bool put_descriptor(buffer *opts, bytes original, unsigned number, pid_t runc, int flags)
{
	uint64_t theirs;
	char path[64];
	if (!find_number(original, number, &theirs) || (int32_t)theirs < 0) return true;
	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)runc, (int)theirs);
	int fd = open(path, flags | O_CLOEXEC);
	if (fd < 0) return false;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 300);
	if (high >= 0) close(fd);
	put_number(opts, number, (uint64_t)(high >= 0 ? high : fd));
	return true;
}

static bool put_options(buffer *opts, bytes original, pid_t runc)
{
	put_raw(opts, original);
	if (!put_descriptor(opts, original, OPTS_IMAGES_DIR_FD, runc, O_RDONLY | O_DIRECTORY)) return false;
	if (!put_descriptor(opts, original, OPTS_WORK_DIR_FD, runc, O_RDONLY | O_DIRECTORY)) return false;
	if (!put_descriptor(opts, original, OPTS_STATUS_FD, runc, O_WRONLY)) return false;
	// The agents hold the pod's traffic; criu's own lock costs tens of milliseconds and drops instead of holding.
	if (strcmp(env_or("PODMOTION_NETWORK_LOCK", "skip"), "keep")) put_number(opts, OPTS_NETWORK_LOCK, NETWORK_LOCK_SKIP);
	const char *level = getenv("PODMOTION_CRIU_LOG_LEVEL");
	if (level && *level) put_number(opts, OPTS_LOG_LEVEL, strtoull(level, NULL, 10));
	return !opts->failed;
}

bool adapt_request(buffer *out, bytes request, pid_t runc)
{
	bytes original;
	buffer opts = {0};
	unsigned type = request_type(request);
	bool ours = type == CRIU_DUMP || type == CRIU_RESTORE || type == CRIU_PRE_DUMP || type == CRIU_SINGLE_PRE_DUMP;
	if (!ours || !find_bytes(request, REQ_OPTS, &original)) return put_raw(out, request), !out->failed;
	bool ok = put_options(&opts, original, runc);
	copy_without(out, request, REQ_OPTS);
	put_bytes(out, REQ_OPTS, (bytes){opts.at, opts.length});
	free(opts.at);
	return ok && !out->failed;
}

bool read_notify(bytes response, char *script, size_t size, int *pid)
{
	uint64_t type, number = 0;
	bytes notify, name;
	if (!find_number(response, RESP_TYPE, &type) || type != CRIU_NOTIFY) return false;
	if (!find_bytes(response, RESP_NOTIFY, &notify) || !find_bytes(notify, NOTIFY_SCRIPT, &name)) return false;
	snprintf(script, size, "%.*s", (int)name.length, (const char *)name.at);
	*pid = find_number(notify, NOTIFY_PID, &number) ? (int)number : 0;
	return true;
}

void put_refusal(buffer *out)
{
	put_number(out, REQ_TYPE, CRIU_NOTIFY);
	put_number(out, REQ_NOTIFY_SUCCESS, 0);
}

void put_failed_response(buffer *out, unsigned type)
{
	put_number(out, RESP_TYPE, type);
	put_number(out, RESP_SUCCESS, 0);
}
