// Device nodes that a step creates or finds.
#include "probe.h"
#include <sys/sysmacros.h>

// open_node reads a block device, which must be the driver's, or opens another.
static int open_node(const char *file, mode_t kind) {
	char content[21] = "";
	int fd = open(file, (kind == S_IFBLK ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno;
	int err = 0;
	if (kind == S_IFBLK && (read(fd, content, 20) != 20 || strcmp(content, "slipway-probe-device") != 0))
		err = ENODATA;
	close(fd);
	return err;
}

// device takes a directory and the minor number of the driver's loop device.
// If the directory is "image", it opens the device nodes of the image.
void device(char **args) {
	const struct {
		const char *name;
		mode_t kind;
		int major, minor;
	} list[] = {
		{"block", S_IFBLK, 7, atoi(args[1])}, {"loop-control", S_IFCHR, 10, 237}, {"fuse", S_IFCHR, 10, 229},
		{"kmsg", S_IFCHR, 1, 11}, {"mem", S_IFCHR, 1, 1}, {"hpet", S_IFCHR, 10, 228}, {"vcs", S_IFCHR, 7, 0},
		{"tun", S_IFCHR, 10, 200}, {"null", S_IFCHR, 1, 3},
	};
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		char file[256];
		snprintf(file, sizeof file, "%s/probe-%s", args[0], list[i].name);
		int err = 0;
		if (strcmp(args[0], "image") == 0) {
			snprintf(file, sizeof file, "/nodes/%s", list[i].name);
		} else {
			err = result(mknod(file, list[i].kind | 0600, makedev(list[i].major, list[i].minor)));
			outcome(err, "mknod/%s", list[i].name);
		}
		outcome(err ? err : open_node(file, list[i].kind), "open/%s", list[i].name);
	}
}
