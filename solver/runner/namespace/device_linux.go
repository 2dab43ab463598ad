package namespace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"slipway/internal/procfd"
)

// deviceNode identifies a character device that every process may open.
type deviceNode struct {
	name         string // name in /dev
	major, minor uint32
}

// standardDevices returns the default devices of the OCI runtime specification
// (config-linux, "Default Devices"), except for links.
func standardDevices() []deviceNode {
	return []deviceNode{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}}
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
		if err := c.device(d, dev); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
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

// device makes the device d available in dev, an open directory: it bind-mounts the
// device file over a new empty file with the name of d.
func (c *config) device(d deviceNode, dev *os.File) error {
	node, err := c.node(d)
	if err != nil {
		return err
	}
	at, err := makeFile(dev, d.name)
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
func (c *config) node(d deviceNode) (string, error) {
	at := c.privateName()
	err := unix.Mknod(at, unix.S_IFCHR|0o666, int(unix.Mkdev(d.major, d.minor)))
	if errors.Is(err, unix.EPERM) {
		return c.stage(filepath.Join("/dev", d.name), unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
	}
	return at, errors.Join(err, os.Chmod(at, 0o666)) // independent of the umask
}
