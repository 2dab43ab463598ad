package namespace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// deviceNode is a device that every process may open.
type deviceNode struct {
	name         string
	major, minor uint32
}

// standardDevices are those of the OCI runtime specification (config-linux,
// "Default Devices") that are no links.
func standardDevices() []deviceNode {
	return []deviceNode{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}}
}

// deviceNodes mounts the standard devices in /dev. They are nodes of the container,
// so a process that changes their owner or mode does not change the host's. In a
// user namespace, where nobody may make nodes, and below a mount of the process
// they are the host's, read-only: they can be written to, and nothing about them
// can be changed.
func (c *config) deviceNodes() error {
	dir := "/dev"
	if !slices.ContainsFunc(c.Mounts, func(m mount) bool { return m.Target == "/dev" }) {
		nodes, err := c.ownNodes()
		if err != nil {
			return fmt.Errorf("make devices: %w", err)
		}
		if nodes != "" {
			dir = nodes
			defer func() { _ = errors.Join(unix.Unmount(nodes, unix.MNT_DETACH), os.Remove(nodes)) }()
		}
	}
	for _, d := range standardDevices() {
		at, err := c.target("dev/"+d.name, true)
		if err == nil {
			err = bind(filepath.Join(dir, d.name), at, dir == "/dev")
		}
		if err != nil {
			return fmt.Errorf("mount /dev/%s: %w", d.name, err)
		}
	}
	return nil
}

// ownNodes makes the standard devices in a file system of their own, as those in
// the container's /dev cannot be opened, and returns its directory: "" if nobody
// may make devices here.
func (c *config) ownNodes() (string, error) {
	dir, err := os.MkdirTemp(filepath.Join(c.Root, "dev"), "nodes-")
	if err != nil {
		return "", err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=64k"); err != nil {
		return "", errors.Join(err, os.Remove(dir))
	}
	for _, d := range standardDevices() {
		at := filepath.Join(dir, d.name)
		err := unix.Mknod(at, unix.S_IFCHR|0o666, int(unix.Mkdev(d.major, d.minor)))
		if err == nil {
			err = os.Chmod(at, 0o666) // whatever the umask is
		}
		if err != nil {
			err = errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH), os.Remove(dir))
			if errors.Is(err, unix.EPERM) {
				return "", nil
			}
			return "", err
		}
	}
	return dir, nil
}
