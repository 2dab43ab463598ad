// The initial state of a process: capabilities, groups, files, environment, terminal,
// namespaces and mounts.
#include "probe.h"
#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <grp.h>

// capabilities prints each capability of /proc/self/status.
static void capabilities(void) {
	FILE *f = fopen("/proc/self/status", "r");
	char line[256], set[8];
	unsigned long long bits;
	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "Cap%3s: %llx", set, &bits) != 2)
			continue;
		set[3] = 0;
		for (int i = 0; i < 64; i++)
			if (bits >> i & 1)
				outcome(0, "capabilities/%s/%d", set, i);
	}
	if (f)
		fclose(f);
}

static void open_files(void) {
	DIR *d = opendir("/proc/self/fd");
	for (struct dirent *e; d && (e = readdir(d));) {
		int fd = atoi(e->d_name);
		if (fd > 2 && fd != dirfd(d))
			outcome(0, "inherited-files/%d", fd);
	}
	if (d)
		closedir(d);
}

static void environment(void) {
	for (char **e = environ; *e; e++)
		outcome(0, "environment/%.*s", (int)strcspn(*e, "="), *e);
}

static void terminal(void) {
	int fd = open("/dev/tty", O_RDWR | O_NONBLOCK | O_NOCTTY);
	int err = result(fd);
	outcome(err, "terminal/open");
	// A blank, typed into the terminal that the driver created for the builder.
	outcome(fd < 0 ? err : result(ioctl(fd, TIOCSTI, " ")), "terminal/type");
	for (int i = 0; i < 3; i++)
		outcome(isatty(i) ? 0 : ENOTTY, "terminal/file-%d", i);
	DIR *d = opendir("/dev/pts");
	for (struct dirent *e; d && (e = readdir(d));)
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
			outcome(0, "terminal/pts-%s", e->d_name);
	if (d)
		closedir(d);
	// Zero is a process outside the PID namespace.
	outcome(getpgrp() && getpgid(0) ? ESRCH : 0, "signals/group");
	outcome(getsid(0) ? ESRCH : 0, "signals/session");
	signal(SIGCONT, SIG_IGN);
}

// namespaces compares namespaces with the host's. The arguments are the host's
// namespaces, for example pid:[4026531836].
static void namespaces(char **args) {
	for (; *args; args++) {
		char file[64], link[64] = "";
		snprintf(file, sizeof file, "/proc/self/ns/%.*s", (int)strcspn(*args, ":"), *args);
		outcome(readlink(file, link, sizeof link - 1) > 0 && strcmp(link, *args) == 0 ? 0 : EXDEV, "host-namespaces/%.*s", (int)strcspn(*args, ":"), *args);
	}
}

// nodes lists /dev. host is the device number of the host's /dev.
static void nodes(unsigned long host) {
	DIR *d = opendir("/dev");
	for (struct dirent *e; d && (e = readdir(d));) {
		char file[512];
		struct stat st;
		snprintf(file, sizeof file, "/dev/%s", e->d_name);
		if (lstat(file, &st) < 0 || !(S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
			continue;
		outcome(0, "nodes/%s", e->d_name);
		if (st.st_dev != host)
			continue;
		outcome(0, "host-nodes/%s", e->d_name);
		outcome(result(chmod(file, st.st_mode & 07777)), "host-node-modes/%s", e->d_name);
		outcome(result(chown(file, st.st_uid, st.st_gid)), "host-node-owners/%s", e->d_name);
	}
	if (d)
		closedir(d);
}

static int empty(const char *dir) {
	int n = 0;
	DIR *d = opendir(dir);
	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n <= 2;
}

// flags prints the permissive flags of the mount of each path.
static void flags(void) {
	static const char *paths[] = {"/", "/proc", "/proc/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup",
		"/etc/hosts", "/etc/resolv.conf", "/run/cache", "/run/bind", "/run/tmpfs", "/run/secrets/s", "/run/rw", NULL};
	for (int i = 0; paths[i]; i++) {
		struct statvfs st;
		if (statvfs(paths[i], &st) < 0)
			continue;
		if (st.f_flag & ST_RDONLY && empty(paths[i]))
			continue; // nothing to open
		outcome(st.f_flag & ST_NODEV ? EPERM : 0, "mount-flags/dev%s", paths[i]);
		outcome(st.f_flag & ST_NOSUID ? EPERM : 0, "mount-flags/suid%s", paths[i]);
		outcome(st.f_flag & ST_NOEXEC ? EPERM : 0, "mount-flags/exec%s", paths[i]);
		outcome(st.f_flag & ST_RDONLY ? EPERM : 0, "mount-flags/write%s", paths[i]);
	}
}

// The arguments of process are the device number of the host's /dev and the host's
// namespaces.
void process(char **args) {
	gid_t groups[64];
	int n = getgroups(64, groups);
	for (int i = 0; i < n; i++)
		outcome(0, "groups/%d", groups[i]);
	capabilities();
	open_files();
	environment();
	terminal();
	nodes(strtoul(args[0], NULL, 10));
	namespaces(args + 1);
	flags();
}
