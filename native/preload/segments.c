// The restore half: shared memory whose contents stand in the store becomes criu's.
// What criu 4.2 does, and where it is answered here:
//   recv of runc's request to restore: the store's memfds are fetched, before criu forks, and kept as mappings
//     (criu closes every descriptor that it does not know);
//   memfd_create, ftruncate and mmap of a segment, then open of pagemap-shmem-<shmid>.img for its contents (none are
//     there: the dump half left them out): the empty memfd is replaced by the filled one under the same number.
// Any failure ends criu: its restore fails, and nothing has run.
#include "preload.h"
#include "../pages/handout.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef MFD_ALLOW_SEALING
#define MFD_ALLOW_SEALING 2u
#endif
enum { PAGE_SIZE = 4096, NAME_SIZE = 4096 };

typedef struct {
	uint64_t id, size; // size: of the mapping
	char *at;
	bool placed; // criu asks a second time when its images have a parent, which holds no segments
} held_segment;

static struct {
	held_segment *segments;
	size_t count;
	bool fetched;
	int made; // criu's last memfd, -1: none
	unsigned flags;
} held = {.made = -1};

static bool name_socket(struct sockaddr_un *address, const char *path, int *folder)
{
	char parent[NAME_SIZE];
	const char *slash = strrchr(path, '/');
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (!slash || slash - path >= NAME_SIZE) return false;
	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = 0;
	*folder = real_open(AT_FDCWD, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	// By way of the folder: the path of a pod's socket is longer than the address may be.
	int n = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", *folder, slash + 1);
	return *folder >= 0 && n < (int)sizeof address->sun_path;
}

static int connect_to_store(const char *path)
{
	struct sockaddr_un address;
	int folder = -1, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!name_socket(&address, path, &folder) || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
		give_up("connecting to the store at %s: %s", path, strerror(errno));
	close(folder);
	return fd;
}

// By system call: recv is hooked here.
static bool receive(int fd, void *out, size_t size)
{
	for (size_t done = 0; done < size;) {
		long n = syscall(SYS_recvfrom, fd, (char *)out + done, size - done, 0, NULL, NULL);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) return false;
		done += (size_t)n;
	}
	return true;
}

static int receive_segment(int connection, handout_segment *out)
{
	int fd = -1;
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = {out, sizeof *out};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
	ssize_t n = recvmsg(connection, &header, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&header) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(c), sizeof fd);
	bool whole = n == (ssize_t)sizeof *out || (n > 0 && receive(connection, (char *)out + n, sizeof *out - (size_t)n));
	return whole ? fd : -1;
}

static held_segment hold(int connection)
{
	handout_segment record;
	int fd = receive_segment(connection, &record);
	if (fd < 0 || !record.size || record.size % PAGE_SIZE) give_up("the store gave a shared segment without its descriptor or size");
	void *at = mmap(NULL, record.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) give_up("holding shared segment %llu of %llu bytes: %s", (unsigned long long)record.id, (unsigned long long)record.size, strerror(errno));
	close(fd);
	return (held_segment){record.id, record.size, at, false};
}

static void fetch_segments(void)
{
	static const char order[] = "segments\n";
	handout_header header;
	int connection = connect_to_store(store_socket());
	bool asked = send(connection, order, sizeof order - 1, MSG_NOSIGNAL) == sizeof order - 1;
	if (!asked || !receive(connection, &header, sizeof header) || header.magic != HANDOUT_MAGIC)
		give_up("the store at %s does not hand out its segments: is it complete and ready?", store_socket());
	held.segments = calloc(header.count + 1, sizeof *held.segments);
	if (!held.segments) give_up("holding %u shared segments: no memory left", header.count);
	while (held.count < header.count) held.segments[held.count++] = hold(connection);
	close(connection);
}

// criu_req: field 1, the type, is RESTORE. Programs that criu starts load us too, and know nothing of this.
void after_receive(const void *data, size_t length)
{
	static const char restore[] = {0x08, 0x02};
	if (held.fetched || length <= sizeof restore || memcmp(data, restore, sizeof restore)) return;
	if (strcmp(program_invocation_short_name, "criu")) return;
	held.fetched = true;
	fetch_segments();
}

HOOK int memfd_create(const char *name, unsigned flags)
{
	int fd = (int)syscall(SYS_memfd_create, name, flags);
	held.made = fd;
	held.flags = flags;
	return fd;
}

// The shmid of pagemap-shmem-<shmid>.img; false for any other file.
static bool shmid_of(const char *path, uint64_t *id)
{
	static const char start[] = "pagemap-shmem-";
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	if (strncmp(name, start, sizeof start - 1)) return false;
	const char *digits = name + sizeof start - 1, *at = digits;
	for (*id = 0; *at >= '0' && *at <= '9'; at++) *id = *id * 10 + (uint64_t)(*at - '0');
	return at > digits && !strcmp(at, ".img");
}

static bool is_memfd(int fd)
{
	char link[64], name[16] = "";
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	return fd >= 0 && readlink(link, name, sizeof name - 1) > 0 && !strncmp(name, "/memfd:", 7);
}

static int reopen(const held_segment *s)
{
	char path[96];
	snprintf(path, sizeof path, "/proc/self/map_files/%llx-%llx", (unsigned long long)(uintptr_t)s->at, (unsigned long long)(uintptr_t)s->at + s->size);
	int fd = real_open(AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	if (fd < 0) give_up("opening shared segment %llu again through %s: %s", (unsigned long long)s->id, path, strerror(errno));
	return fd;
}

// As criu made its own: the size that it has set, and whether it may be sealed.
static void shape(int fd, const held_segment *s, uint64_t size)
{
	if (size != s->size && ftruncate(fd, (off_t)size)) give_up("cutting shared segment %llu to %llu bytes: %s", (unsigned long long)s->id, (unsigned long long)size, strerror(errno));
	if (!(held.flags & MFD_ALLOW_SEALING) && syscall(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_SEAL))
		give_up("sealing shared segment %llu: %s", (unsigned long long)s->id, strerror(errno));
}

static void replace(held_segment *s)
{
	file_identity empty;
	if (!is_memfd(held.made) || !identify(held.made, &empty)) give_up("criu reads shared segment %llu into no memfd of its own", (unsigned long long)s->id);
	long flags = syscall(SYS_fcntl, held.made, F_GETFD);
	int fd = reopen(s);
	shape(fd, s, empty.size);
	if (flags < 0 || dup3(fd, held.made, flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0) give_up("putting shared segment %llu in its place: %s", (unsigned long long)s->id, strerror(errno));
	close(fd);
	held.made = -1;
	s->placed = true;
}

void before_open(const char *path)
{
	uint64_t id;
	if (!held.count || !shmid_of(path, &id)) return;
	for (size_t i = 0; i < held.count; i++)
		if (held.segments[i].id == id && !held.segments[i].placed) return replace(&held.segments[i]);
}
