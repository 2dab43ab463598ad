// All system calls of three ABIs, with harmless arguments.
#include "probe.h"
#include <poll.h>
#include <sys/mman.h>

static long int80(long nr, long a, long b, long c, long d, long e, long f) {
	long ret;
	__asm__ volatile("push %%rbp\n\tmov %7, %%rbp\n\tint $0x80\n\tpop %%rbp"
		: "=a"(ret)
		: "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), "r"(f)
		: "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

// runs32 reports whether the kernel has the 32-bit ABI. Without this ABI, the instruction kills
// the process.
static int runs32(void) {
	static int known = -1;
	if (known < 0) {
		int status = 0;
		pid_t pid = fork();
		if (pid == 0) {
			int80(6, -1, 0, 0, 0, 0, 0); // close
			_exit(0);
		}
		waitpid(pid, &status, 0);
		known = WIFEXITED(status);
	}
	return known;
}

long call32(long nr, long a, long b, long c, long d, long e, long f) {
	return runs32() ? int80(nr, a, b, c, d, e, f) : -ENOSYS;
}

static long call64(long nr, long a, long b, long c, long d, long e, long f) {
	return result(syscall(nr, a, b, c, d, e, f)) ? -errno : 0;
}

static long callx32(long nr, long a, long b, long c, long d, long e, long f) {
	return call64(0x40000000 | nr, a, b, c, d, e, f);
}

// skipped lists calls that fork without a function to run, wait forever, end the
// process or flush all disks. Every profile allows them.
static const int skipped64[] = {SYS_fork, SYS_vfork, SYS_pause, SYS_sync, SYS_exit, SYS_exit_group, SYS_rt_sigreturn, -1};
static const int skipped32[] = {1, 2, 29, 36, 72, 119, 173, 190, 252, -1};

static int contains(const int *list, int nr) {
	for (; *list >= 0; list++)
		if (*list == nr)
			return 1;
	return 0;
}

// waiting is the result of a call that has not returned.
enum { waiting = -1 };

// attempt makes a call in a child process, because the call may stop or change the
// process. It returns the error number of a refusal, or 0. A call that blocks is not
// refused.
static int attempt(long (*call)(long, long, long, long, long, long, long), long nr, long arg) {
	volatile int *answer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	if (pid == 0) {
		setsid(); // vhangup would end the processes of a terminal
		*answer = waiting;
		*answer = -call(nr, arg, arg, arg, arg, arg, arg);
		_exit(0);
	}
	int fd = syscall(SYS_pidfd_open, pid, 0), status = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	while (poll(&p, 1, 2000) == 0 && *answer == 0) // a busy machine: the child has not begun
		;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(fd);
	int err = *answer;
	munmap((void *)answer, 4096);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return EPERM;
	return refusal(err);
}

void calls(char **args) {
	for (int nr = 0; nr < 480; nr++) {
		if (!contains(skipped64, nr)) {
			outcome(attempt(call64, nr, -1), "64bit/%d", nr);
			outcome(attempt(callx32, nr, -1), "x32/%d", nr);
		}
		if (!contains(skipped32, nr))
			outcome(attempt(call32, nr, -1), "32bit/%d", nr);
	}
	for (int nr = 512; nr < 548; nr++) // the calls that only x32 has
		outcome(attempt(callx32, nr, -1), "x32/%d", nr);
	for (int bit = 0; bit < 32; bit++) {
		outcome(attempt(call64, SYS_personality, 1L << bit), "personality/64bit/%x", 1 << bit);
		outcome(attempt(call32, 136, 1L << bit), "personality/32bit/%x", 1 << bit);
	}
}
