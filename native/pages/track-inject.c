// Injects two system calls (userfaultfd, close) into a process by ptrace, from a child of its own.
// Why a child: if the tracker is killed in the middle, the child still finishes and puts the registers back. It ignores every signal
// and is gone after some 0.1 ms. Only when it is killed too (the agent's whole container, in these microseconds) does the process run on
// with the registers of the injected call. If the process does not stop at all (it waits in vfork, or for a disk), the child ends
// before it has changed anything, and the kernel detaches.
#include "track-inject.h"
#include "track-kernel.h"
#include "track-text.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __x86_64__

enum { STOP_LIMIT_US = 250 * 1000, CODE_SEGMENT_64 = 0x33, SYSCALL_SIZE = 2, KERNEL_SIGSET = 8 };
enum { RESTART_SYS = 512, RESTART_NOINTR = 513, RESTART_NOHAND = 514, RESTART_BLOCK = 516 };

typedef struct patient {
	pid_t pid;
	bool (*work)(struct patient *p); // what is done in it
	int pidfd; // to take a descriptor from it by
	int number; // the descriptor to close in it
	uint64_t vdso, entry; // and the address of a `syscall` instruction in it
	struct user_regs_struct before;
	uint64_t mask;
	bool stop_again; // a SIGSTOP came meanwhile
	injection *out;
} patient;

static bool fail(patient *p, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(p->out->reason, sizeof p->out->reason, format, args);
	va_end(args);
	return false;
}

// Where its vdso begins; an exec puts it elsewhere, or by chance the same code at the same place.
static uint64_t vdso_of(pid_t pid)
{
	Elf64_auxv_t entries[64];
	int fd = open_process(pid, "auxv", O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, entries, sizeof entries);
	if (fd >= 0) close(fd);
	for (ssize_t i = 0; (i + 1) * (ssize_t)sizeof *entries <= n; i++)
		if (entries[i].a_type == AT_SYSINFO_EHDR) return entries[i].a_un.a_val;
	return 0;
}

// Any two bytes 0f 05 in the executable vdso are a system call instruction, wherever they lie.
static bool find_entry(patient *p)
{
	p->vdso = vdso_of(p->pid);
	char *maps = read_process(p->pid, "maps", NULL);
	char *line = maps ? strstr(maps, "[vdso]") : NULL;
	while (line && line > maps && line[-1] != '\n') line--;
	unsigned long start = 0, end = 0;
	if (line) sscanf(line, "%lx-%lx", &start, &end);
	free(maps);
	unsigned char code[1 << 16];
	int memory = open_process(p->pid, "mem", O_RDONLY);
	ssize_t length = memory < 0 || end <= start ? 0 : pread(memory, code, end - start < sizeof code ? end - start : sizeof code, (off_t)start);
	if (memory >= 0) close(memory);
	for (ssize_t i = 0; i + 1 < length; i++)
		if (code[i] == 0x0f && code[i + 1] == 0x05) return p->entry = start + (uint64_t)i, true;
	return fail(p, "it has no vdso with a system call instruction");
}

static bool seize(patient *p)
{
	long options = PTRACE_O_TRACESYSGOOD;
	if (!ptrace(PTRACE_SEIZE, p->pid, 0, options | TRACE_SUSPEND_SECCOMP)) return true;
	char *status = read_process(p->pid, "status", NULL);
	const char *seccomp = status ? status_field(status, "Seccomp") : NULL;
	bool filtered = !seccomp || *seccomp != '0';
	free(status);
	if (filtered) return fail(p, "its seccomp filter cannot be suspended");
	if (!ptrace(PTRACE_SEIZE, p->pid, 0, options)) return true;
	return fail(p, "it cannot be traced: %s", strerror(errno));
}

// Interrupted where it was: signals that come first are delivered as they would have been.
static bool interrupt(patient *p)
{
	int status;
	int64_t deadline = clock_us() + STOP_LIMIT_US;
	if (ptrace(PTRACE_INTERRUPT, p->pid, 0, 0)) return fail(p, "it cannot be interrupted: %s", strerror(errno));
	while (clock_us() < deadline) {
		pid_t got = waitpid(p->pid, &status, __WALL | WNOHANG);
		if (got == p->pid && !WIFSTOPPED(status)) return fail(p, "it ended");
		if (got == p->pid && status >> 16 == PTRACE_EVENT_STOP) return true;
		if (got == p->pid) ptrace(PTRACE_CONT, p->pid, 0, WSTOPSIG(status));
		if (got < 0 && errno != EINTR) return fail(p, "it cannot be waited for: %s", strerror(errno));
		if (!got) usleep(10);
	}
	return fail(p, "it does not stop (it waits in the kernel)");
}

// All that can be blocked is: these are the injected instruction's own, and would come again and again.
static bool is_fault(int signal)
{
	return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE;
}

static bool step_to_call_border(patient *p)
{
	int status;
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, p->pid, 0, 0)) return false;
		if (waitpid(p->pid, &status, __WALL) != p->pid || !WIFSTOPPED(status)) return false;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) return true;
		if (is_fault(WSTOPSIG(status))) return false;
		if (WSTOPSIG(status) == SIGSTOP && status >> 16 == 0) p->stop_again = true;
	}
}

static long call(patient *p, long number, long first)
{
	struct user_regs_struct r = p->before;
	r.rip = p->entry;
	r.rax = (unsigned long)number;
	r.orig_rax = (unsigned long)-1; // no system call of its own to restart from here
	r.rdi = (unsigned long)first;
	if (ptrace(PTRACE_SETREGS, p->pid, 0, &r)) return -errno;
	if (!step_to_call_border(p) || !step_to_call_border(p)) return -ESRCH;
	if (ptrace(PTRACE_GETREGS, p->pid, 0, &r)) return -errno;
	return (long)r.rax;
}

// The call that the interruption broke off is started again, just as the kernel does after a signal without handler.
static void restart_call(struct user_regs_struct *r)
{
	long result = -(long)r->rax;
	if ((long)r->orig_rax < 0) return;
	if (result == RESTART_SYS || result == RESTART_NOINTR || result == RESTART_NOHAND) r->rax = r->orig_rax;
	else if (result == RESTART_BLOCK) r->rax = SYS_restart_syscall;
	else return;
	r->rip -= SYSCALL_SIZE;
	r->orig_rax = (unsigned long)-1;
}

static bool take(patient *p)
{
	long theirs = call(p, SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_ONLY);
	if (theirs < 0) return fail(p, "userfaultfd in it: %s", strerror((int)-theirs));
	int ours = (int)syscall(CALL_PIDFD_GETFD, p->pidfd, (int)theirs, 0);
	int error = errno;
	call(p, SYS_close, theirs);
	if (ours < 0) return fail(p, "taking its userfaultfd: %s", strerror(error));
	p->out->userfault = ours;
	return true;
}

static bool drop(patient *p)
{
	long result = call(p, SYS_close, p->number);
	return !result || fail(p, "closing descriptor %d in it: %s", p->number, strerror((int)-result));
}

static bool operate(patient *p)
{
	uint64_t all = ~0ull;
	if (!find_entry(p) || !seize(p) || !interrupt(p)) return false;
	int64_t start = clock_us();
	// It may have become another program since.
	if (vdso_of(p->pid) != p->vdso && !find_entry(p)) return false;
	if (ptrace(PTRACE_GETREGS, p->pid, 0, &p->before)) return fail(p, "its registers cannot be read: %s", strerror(errno));
	if (p->before.cs != CODE_SEGMENT_64) return fail(p, "it is a 32-bit program");
	if (ptrace(PTRACE_GETSIGMASK, p->pid, KERNEL_SIGSET, &p->mask)) return fail(p, "its signal mask cannot be read: %s", strerror(errno));
	ptrace(PTRACE_SETSIGMASK, p->pid, KERNEL_SIGSET, &all);
	bool done = p->work(p);
	struct user_regs_struct after = p->before;
	restart_call(&after);
	ptrace(PTRACE_SETSIGMASK, p->pid, KERNEL_SIGSET, &p->mask);
	ptrace(PTRACE_SETREGS, p->pid, 0, &after);
	ptrace(PTRACE_DETACH, p->pid, 0, 0);
	if (p->stop_again) kill(p->pid, SIGSTOP);
	p->out->stop_us = clock_us() - start;
	return done;
}

// Signals are kept away for good: nobody but SIGKILL ends this child early.
static void run_child(patient *p)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	_exit(operate(p) ? 0 : 1);
}

static bool inject(patient *p, injection *out)
{
	injection *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*out = (injection){.userfault = -1, .reason = "the injecting process cannot be started"};
	if (shared == MAP_FAILED) return false;
	*shared = (injection){.userfault = -1, .reason = "the injecting process was killed"};
	p->out = shared;
	fflush(stdout);
	// One table of descriptors with the child: what it opens, we have.
	pid_t child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (!child) run_child(p);
	int status = 1;
	if (child > 0) {
		while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
		*out = *shared;
	}
	munmap(shared, sizeof *shared);
	return !status;
}

bool inject_userfault(pid_t pid, int pidfd, injection *out)
{
	patient p = {.pid = pid, .work = take, .pidfd = pidfd};
	return inject(&p, out) && out->userfault >= 0;
}

bool inject_close(pid_t pid, int number, injection *out)
{
	patient p = {.pid = pid, .work = drop, .number = number};
	return inject(&p, out);
}

#else

bool inject_userfault(pid_t pid, int pidfd, injection *out)
{
	*out = (injection){.userfault = -1, .reason = "tracking is built for x86-64 only"};
	return false;
}

bool inject_close(pid_t pid, int number, injection *out)
{
	return inject_userfault(pid, -1, out);
}

#endif
