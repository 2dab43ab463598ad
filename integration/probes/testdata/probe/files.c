// Attempts to open files of /proc and /sys. They write nothing.
#include "probe.h"
#include <dirent.h>

static int numeric(const char *s) { return s[strspn(s, "0123456789")] == 0; }

static void readable(const char *file) {
	char byte;
	int fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	if (fd < 0)
		return;
	// Reading kmsg would remove messages from the host's log.
	if (strcmp(file, "/proc/kmsg") == 0 || read(fd, &byte, 1) > 0)
		outcome(0, "readable%s", file);
	close(fd);
}

static void writable(const char *file) {
	int fd = open(file, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	if (fd >= 0)
		outcome(0, "writable%s", file);
	close(fd);
}

// walk calls f for the regular files below a directory. It skips the directories of
// processes and the kernel's slab caches, which are numerous and alike.
static void walk(const char *dir, void (*f)(const char *), int depth) {
	DIR *d = opendir(dir);
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		char file[4096];
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || (strcmp(dir, "/proc") == 0 && numeric(e->d_name)))
			continue;
		if (snprintf(file, sizeof file, "%s/%s", dir, e->d_name) >= (int)sizeof file || strcmp(file, "/sys/kernel/slab") == 0)
			continue;
		if (e->d_type == DT_REG)
			f(file);
		else if (e->d_type == DT_DIR && depth > 0)
			walk(file, f, depth - 1);
	}
	closedir(d);
}

// groups tries to create a control group in each visible directory of control groups.
static void groups(const char *dir, int depth) {
	char file[4096];
	if (snprintf(file, sizeof file, "%s/slipway-probe", dir) < (int)sizeof file && mkdir(file, 0755) == 0) {
		outcome(0, "control-groups%s", dir);
		rmdir(file);
	}
	DIR *d = opendir(dir);
	for (struct dirent *e; d && depth > 0 && (e = readdir(d));) {
		if (e->d_type == DT_DIR && e->d_name[0] != '.' && snprintf(file, sizeof file, "%s/%s", dir, e->d_name) < (int)sizeof file)
			groups(file, depth - 1);
	}
	if (d)
		closedir(d);
}

void files(char **args) {
	walk("/proc", readable, 0);
	walk("/proc/acpi", readable, 3);
	walk("/proc/asound", readable, 3);
	walk("/proc/bus", readable, 3);
	walk("/proc/irq", readable, 2);
	walk("/proc/scsi", readable, 3);
	walk("/sys/firmware", readable, 6);
	walk("/sys/devices/virtual/powercap", readable, 4);
	walk("/proc", writable, 20);
	walk("/sys", writable, 20);
	groups("/sys/fs/cgroup", 1);
}
