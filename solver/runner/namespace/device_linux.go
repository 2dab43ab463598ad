package namespace

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"slipway/internal/procfd"
	"slipway/solver/runner"
)

// standardDevices returns the default devices of the OCI runtime specification
// (config-linux, "Default Devices"), except for links. Every process may open them.
func standardDevices() []runner.Device {
	var list []runner.Device
	for _, d := range []struct {
		path         string
		major, minor uint32
	}{{"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7}, {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}} {
		list = append(list, runner.Device{Path: d.path, HostPath: d.path, Major: d.major, Minor: d.minor, Mode: 0o666})
	}
	return list
}

// devices creates the device files and links that programs expect in /dev. If a mount
// other than a tmpfs replaces /dev, devices does nothing.
//
// Upstream: same as runc.
func (c *config) devices() error {
	if slices.ContainsFunc(c.Mounts, func(m mount) bool { return m.Target == "/dev" && !m.Tmpfs }) {
		return nil
	}
	dev, err := c.mkdirAll("dev")
	if err != nil {
		return err
	}
	defer dev.Close()
	for _, d := range standardDevices() {
		if err := c.device(&d); err != nil {
			return fmt.Errorf("%s: %w", d.Path, err)
		}
	}
	links := map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
		"ptmx": "pts/ptmx",
	}
	if _, err := os.Stat("/proc/kcore"); err == nil { // some kernels do not provide it
		links["core"] = "/proc/kcore"
	}
	for name, to := range links {
		if err := unix.Symlinkat(to, int(dev.Fd()), name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// moreDevices makes the devices of the container available that not every process may open.
func (c *config) moreDevices() error {
	for i := range c.Devices {
		if err := c.device(&c.Devices[i]); err != nil {
			return fmt.Errorf("device %s: %w", c.Devices[i].Path, err)
		}
	}
	return nil
}

// device bind-mounts the file of the device d at its path in the root. If no file exists there,
// device creates an empty one.
func (c *config) device(d *runner.Device) error {
	node, err := c.node(d)
	if err != nil {
		return err
	}
	at, err := c.target(d.Path, true)
	if err != nil {
		return err
	}
	return errors.Join(unix.Mount(node, procfd.Path(at.Fd()), "", unix.MS_BIND, ""), at.Close())
}

// node returns the path of a device file that may be mounted in the container. It
// creates the file in the private directory, because device files in the container's
// /dev cannot be opened. If a process changes the owner or mode of this file, the
// host's device file stays unchanged.
//
// In a user namespace, the kernel forbids creating device files, so the path leads to
// the host's device file, mounted read-only: a process can write to the device, but
// cannot change the mode and owner of the file.
func (c *config) node(d *runner.Device) (string, error) {
	at, kind := c.privateName(), uint32(unix.S_IFCHR)
	if d.Block {
		kind = unix.S_IFBLK
	}
	err := unix.Mknod(at, kind|d.Mode, int(unix.Mkdev(d.Major, d.Minor)))
	if errors.Is(err, unix.EPERM) {
		return c.stage(d.HostPath, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
	}
	// Chmod makes the mode independent of the umask.
	return at, errors.Join(err, os.Chmod(at, os.FileMode(d.Mode)), os.Chown(at, int(d.UID), int(d.GID)))
}
