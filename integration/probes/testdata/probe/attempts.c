// System calls that change the host or grant privileges, with valid arguments.
#include "probe.h"
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

// in_child runs f in a child process, because f may change the process.
static int in_child(int (*f)(long), long arg) {
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(f(arg));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

static const struct {
	const char *name;
	long flag;
} spaces[] = {
	{"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET},
	{"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP}, {"user-and-mount", CLONE_NEWUSER | CLONE_NEWNS},
};

static int unshare64(long flags) { return result(unshare(flags)); }
static int unshare32(long flags) { return -call32(310, flags, 0, 0, 0, 0, 0); }

// forked ends the child of a clone and returns the error number of a failed one.
static int forked(long pid) {
	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : 0;
}

static int clone64(long flags) { return forked(syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0)); }
static int clone32(long flags) {
	long pid = call32(120, flags | SIGCHLD, 0, 0, 0, 0, 0);
	errno = -pid;
	return forked(pid);
}
static int clone_3(long flags) {
	struct clone_args a = {.flags = flags, .exit_signal = SIGCHLD};
	return forked(syscall(SYS_clone3, &a, sizeof a));
}

static void namespaces(void) {
	for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
		const char *name = spaces[i].name;
		long flag = spaces[i].flag;
		outcome(in_child(unshare64, flag), "namespaces/64bit/unshare/%s", name);
		outcome(in_child(unshare32, flag), "namespaces/32bit/unshare/%s", name);
		outcome(in_child(clone64, flag), "namespaces/64bit/clone/%s", name);
		outcome(in_child(clone32, flag), "namespaces/32bit/clone/%s", name);
		outcome(in_child(clone_3, flag), "namespaces/64bit/clone3/%s", name);
	}
}

static int keyctl(int abi, long a, long b, long c, long d, long e) {
	long ret = abi == 32 ? call32(288, a, b, c, d, e, 0) : syscall(SYS_keyctl, a, b, c, d, e);
	if (ret < 0 && abi == 32)
		errno = -ret;
	return ret < 0 ? -1 : ret;
}

static void keys(int abi) {
	static char type[] = "user", name[] = "slipway-probe", value[64];
	int ring = keyctl(abi, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0);
	outcome(result(ring), "keys/%dbit/session", abi);
	int key = keyctl(abi, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, (long)type, (long)name, 0);
	outcome(result(key), "caller-keys/%dbit/find", abi);
	if (key > 0)
		outcome(result(keyctl(abi, KEYCTL_READ, key, (long)value, sizeof value, 0)), "caller-keys/%dbit/read", abi);
	long ret = abi == 32 ? call32(287, (long)type, (long)name, 0, 0, 0, 0) : syscall(SYS_request_key, type, name, NULL, 0);
	outcome(ret < 0, "caller-keys/%dbit/request", abi);
	// A key of the process, which is removed when the process ends.
	long args[] = {(long)type, (long)"slipway-probe-own", (long)"x", 1, KEY_SPEC_PROCESS_KEYRING};
	ret = abi == 32 ? call32(286, args[0], args[1], args[2], args[3], args[4], 0)
			: syscall(SYS_add_key, args[0], args[1], args[2], args[3], args[4]);
	outcome(ret < 0, "keys/%dbit/add", abi);
}

static void kernel(int abi) {
	static struct io_uring_params ring;
	static struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event, .exclude_kernel = 1, .exclude_hv = 1};
	static union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
	memset(&ring, 0, sizeof ring);
	if (abi == 64) {
		outcome(result(syscall(SYS_io_uring_setup, 1, &ring)), "io_uring/64bit");
		outcome(result(syscall(SYS_perf_event_open, &event, 0, -1, -1, 0)), "perf/64bit");
		outcome(result(syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map)), "bpf/64bit");
		outcome(result(syscall(SYS_userfaultfd, 1)), "userfaultfd/64bit");
		return;
	}
	outcome(call32(425, 1, (long)&ring, 0, 0, 0, 0) < 0, "io_uring/32bit");
	outcome(call32(336, (long)&event, 0, -1, -1, 0, 0) < 0, "perf/32bit");
	outcome(call32(357, BPF_MAP_CREATE, (long)&map, sizeof map, 0, 0, 0) < 0, "bpf/32bit");
	outcome(call32(374, 1, 0, 0, 0, 0, 0) < 0, "userfaultfd/32bit");
}

static void mounts(void) {
	mkdir("/tmp/m", 0755);
	outcome(result(mount("none", "/tmp/m", "tmpfs", 0, NULL)), "mounts/tmpfs");
	outcome(result(mount("none", "/tmp/m", "proc", 0, NULL)), "mounts/proc");
	outcome(result(mount("none", "/tmp/m", "cgroup", 0, "memory")), "mounts/cgroup");
	outcome(result(mount("none", "/tmp/m", "cgroup2", 0, NULL)), "mounts/cgroup2");
	outcome(result(mount("/", "/tmp/m", NULL, MS_BIND, NULL)), "mounts/bind");
	outcome(result(mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL)), "mounts/remount-proc-sys");
	outcome(result(mount(NULL, "/", NULL, MS_PRIVATE, NULL)), "mounts/propagation");
	outcome(result(umount2("/proc/sys", MNT_DETACH)), "mounts/umount-proc-sys");
	outcome(result(umount2("/proc/keys", MNT_DETACH)), "mounts/umount-mask");
	outcome(result(syscall(SYS_fsopen, "tmpfs", 0)), "mounts/fsopen");
	outcome(result(syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */)), "mounts/open_tree");
	outcome(call32(21, (long)"none", (long)"/tmp/m", (long)"tmpfs", 0, 0, 0) < 0, "mounts/32bit");
	outcome(call32(52, (long)"/proc/sys", MNT_DETACH, 0, 0, 0, 0) < 0, "mounts/32bit-umount");
}

// Each machine call would change nothing if it succeeded.
static void machine(void) {
	char name[65];
	gethostname(name, sizeof name);
	outcome(result(sethostname(name, strlen(name))), "machine/hostname");
	outcome(refusal(result(syscall(SYS_settimeofday, NULL, NULL))), "machine/settimeofday");
	outcome(refusal(result(syscall(SYS_reboot, 0, 0, 0, NULL))), "machine/reboot");
	outcome(refusal(result(syscall(SYS_swapoff, "/nowhere"))), "machine/swapoff");
	outcome(refusal(result(syscall(SYS_delete_module, "nowhere", O_NONBLOCK))), "machine/delete_module");
	outcome(refusal(result(syscall(SYS_syslog, 10, NULL, 0))), "machine/syslog");
	outcome(refusal(result(syscall(SYS_quotactl, -1, "/dev/null", 0, NULL))), "machine/quotactl");
	outcome(refusal(result(syscall(SYS_iopl, 3))), "machine/iopl");
	struct {
		struct file_handle h;
		char data[128];
	} at = {.h.handle_bytes = 128};
	int id, root = open("/", O_RDONLY);
	if (name_to_handle_at(AT_FDCWD, "/", &at.h, &id, 0) < 0) {
		at.h.handle_bytes = 8; // an overlay has no handles
		at.h.handle_type = 1;
	}
	outcome(refusal(result(open_by_handle_at(root, &at.h, O_RDONLY))), "machine/open_by_handle_at");
}

static int more_files(long arg) {
	struct rlimit l;
	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_max++;
	return result(setrlimit(RLIMIT_NOFILE, &l));
}
static int real_time(long arg) {
	struct sched_param p = {.sched_priority = 1};
	return result(sched_setscheduler(0, SCHED_FIFO, &p));
}
static int nicer(long arg) { return result(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - 1)); }
static int io_real_time(long arg) { return result(syscall(SYS_ioprio_set, 1, 0, 1 << 13)); }
static int unkillable(long arg) {
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);
	return fd < 0 ? errno : result(write(fd, "-1000", 5));
}

// The argument of attempts is the host's mount namespace, for example mnt:[4026531841].
void attempts(char **args) {
	char own[64] = "";
	readlink("/proc/self/ns/mnt", own, sizeof own - 1);
	if (strcmp(own, args[0]) == 0) { // what follows would change the host's mounts
		outcome(0, "mounts/host");
		return;
	}
	namespaces();
	keys(64);
	keys(32);
	kernel(64);
	kernel(32);
	mounts();
	machine();
	outcome(in_child(more_files, 0), "limits/nofile");
	outcome(in_child(real_time, 0), "limits/real-time");
	outcome(in_child(nicer, 0), "limits/priority");
	outcome(in_child(io_real_time, 0), "limits/io-priority");
	outcome(in_child(unkillable, 0), "limits/oom");
}
