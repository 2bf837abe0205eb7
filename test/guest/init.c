// The first process of the guest: loads modules, puts the shared folders together to a root file system, runs one program in it, and turns the
// machine off.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(const char *what)
{
	printf("guest: %s: %s\nguest: exit 1\n", what, strerror(errno));
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	for (;;) pause();
}

static void load_modules(void)
{
	struct dirent **names;
	int count = scandir("/modules", &names, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		char path[300];
		if (names[i]->d_name[0] == '.') continue;
		snprintf(path, sizeof path, "/modules/%s", names[i]->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0)) end(path);
		close(fd);
	}
}

static void place(const char *type, const char *source, const char *target, unsigned long flags, const char *options)
{
	mkdir(target, 0755);
	if (mount(source, target, type, flags, options)) end(target);
}

// Read-only and cached: nothing of the host changes meanwhile.
static void share(const char *tag, const char *target)
{
	place("9p", tag, target, MS_RDONLY, "trans=virtio,version=9p2000.L,cache=loose,msize=512000");
}

// Version 1, as on the nodes that the product is tried on.
static void place_cgroups(void)
{
	static const char *const controllers[] = {"cpuset", "cpu", "cpuacct", "blkio", "memory", "devices", "freezer", "pids"};
	place("tmpfs", "tmpfs", "/sys/fs/cgroup", 0, "");
	for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++) {
		char path[64];
		snprintf(path, sizeof path, "/sys/fs/cgroup/%s", controllers[i]);
		place("cgroup", "cgroup", path, 0, controllers[i]);
	}
}

static void enter_root(void)
{
	share("own", "/own");
	share("node", "/node");
	share("base", "/base");
	place("tmpfs", "tmpfs", "/top", 0, "");
	mkdir("/top/upper", 0755);
	mkdir("/top/work", 0755);
	place("overlay", "overlay", "/root", 0, "lowerdir=/own:/node:/base,upperdir=/top/upper,workdir=/top/work");
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/")) end("entering the root file system");
	place("proc", "proc", "/proc", 0, "");
	place("sysfs", "sysfs", "/sys", 0, "");
	place("devtmpfs", "devtmpfs", "/dev", 0, "");
	place("devpts", "devpts", "/dev/pts", 0, "ptmxmode=666");
	place("tmpfs", "tmpfs", "/dev/shm", 0, "");
	place("tmpfs", "tmpfs", "/run", 0, "");
	place("tmpfs", "tmpfs", "/tmp", 0, "");
	place_cgroups();
}

int main(int argc, char **argv)
{
	char *program[] = {"node", "/guest/inside.cjs", NULL};
	int status = 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	load_modules();
	enter_root();
	pid_t child = fork();
	if (!child) {
		// Its environment is what the kernel's command line says and the kernel does not know.
		setenv("PATH", "/usr/local/bin:/usr/sbin:/usr/bin", 1);
		execv("/usr/local/bin/node", program);
		_exit(127);
	}
	// What containers leave behind comes here as well.
	for (pid_t ended; (ended = wait(&status)) != child;)
		if (ended < 0 && errno != EINTR) break;
	printf("guest: exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	for (;;) pause();
}
