// Probe attempts operations that a step of a build must not be able to do, and prints
// the ones that succeed. Every attempt is harmless to the machine.
//
//	probe LABEL COMMAND [ARG...]
//
// It prints lines of "+ ID" for a privilege, "- ID ERROR" for a refusal and
// "! LABEL COMMAND" when a command has ended. It exits with 0, so that the
// next step runs.
#include "probe.h"

static const char *label;

void outcome(int err, const char *format, ...) {
	va_list args;
	va_start(args, format);
	printf(err ? "- %s/" : "+ %s/", label);
	vprintf(format, args);
	va_end(args);
	printf(err ? " %s\n" : "\n", err > 0 ? strerrorname_np(err) : "none");
	fflush(stdout);
}

int result(long ret) { return ret < 0 ? errno : 0; }

int refusal(int err) { return err == EPERM || err == EACCES || err == ENOSYS ? err : 0; }

// dir checks whether the working directory is outside the root.
static void dir(char **args) {
	char cwd[4096];
	long n = syscall(SYS_getcwd, cwd, sizeof cwd);
	outcome(n > 0 && cwd[0] == '/' && access("canary", F_OK) < 0 ? ENOENT : 0, "outside");
}

// exists checks which of the files exist.
static void exists(char **args) {
	for (int i = 0; args[i]; i++)
		outcome(result(access(args[i], F_OK)), "exists/%d", i);
}

// climb tries to reach a file of the host above the root: by chroot, which does not
// change the working directory, and through the links of processes.
static void climb(char **args) {
	char file[4096];
	static const char *roots[] = {"/proc/1/root", "/proc/self/root", "/proc/1/cwd/../../../..", "/proc/self/cwd/../../../..", "/..", "/proc/self/task/../../../.."};
	for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
		snprintf(file, sizeof file, "%s%s", roots[i], args[0]);
		outcome(result(access(file, F_OK)), "climb/%zu", i);
	}
	int root = open("/", O_RDONLY | O_DIRECTORY);
	mkdir("/tmp/jail", 0755);
	if (chroot("/tmp/jail") < 0 || fchdir(root) < 0) {
		outcome(errno, "climb/chroot");
		return;
	}
	for (int i = 0; i < 64; i++)
		chdir("..");
	outcome(result(access(args[0] + 1, F_OK)), "climb/chroot");
}

// hidden checks whether a file does not exist.
static void hidden(char **args) { outcome(access(args[0], F_OK) == 0 ? EEXIST : 0, "hidden"); }

// run reports that the step ran.
static void run(char **args) { outcome(0, "run"); }

// euid checks whether this program, whose file has the setuid bit, became root.
static void euid(char **args) { outcome(geteuid() == 0 ? 0 : EPERM, "setuid"); }

// wait_killed waits until the driver has searched the disk.
static void wait_killed(char **args) {
	printf("! ready\n");
	fflush(stdout);
	sleep(20);
}

static const struct {
	const char *name;
	void (*run)(char **args);
} commands[] = {
	{"agent", agent}, {"attempts", attempts}, {"calls", calls}, {"climb", climb}, {"device", device},
	{"dir", dir}, {"euid", euid}, {"exists", exists}, {"files", files}, {"hidden", hidden},
	{"process", process}, {"race", race}, {"run", run}, {"sockets", sockets}, {"wait", wait_killed},
};

int main(int argc, char **argv) {
	const char *slash = strrchr(argv[0], '/');
	if (strcmp(slash ? slash + 1 : argv[0], "docker") == 0) { // started by the builder's program
		label = "exe";
		outcome(result(chmod("/proc/1/exe", 04755)), "chmod");
		return 0;
	}
	for (size_t i = 0; argc > 2 && i < sizeof commands / sizeof *commands; i++) {
		if (strcmp(argv[2], commands[i].name) == 0) {
			label = argv[1];
			commands[i].run(argv + 3);
			printf("! %s %s\n", label, argv[2]);
			return 0;
		}
	}
	fprintf(stderr, "usage: probe LABEL COMMAND [ARG...]\n");
	return 2;
}
