package device

import (
	"cmp"
	"fmt"

	"golang.org/x/sys/unix"
	specs "tags.cncf.io/container-device-interface/specs-go"

	"slipway/solver/runner"
)

// hostDevice converts a device file in a description to a device of the runner. If the description
// lacks the number, the type, the mode or the owner, the device file on the host provides it.
func hostDevice(n *specs.DeviceNode) (runner.Device, error) {
	d := runner.Device{Path: n.Path, HostPath: cmp.Or(n.HostPath, n.Path), Access: access(n)}
	var st unix.Stat_t
	if err := unix.Stat(d.HostPath, &st); err != nil {
		return d, fmt.Errorf("device file %s: %w", d.HostPath, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
	case unix.S_IFBLK:
		d.Block = true
	default:
		return d, fmt.Errorf("device file %s: is not a character or block device", d.HostPath)
	}
	d.Major, d.Minor, d.Mode, d.UID, d.GID = unix.Major(st.Rdev), unix.Minor(st.Rdev), st.Mode&0o777, st.Uid, st.Gid
	if n.Major != 0 || n.Minor != 0 {
		d.Major, d.Minor = uint32(n.Major), uint32(n.Minor)
	}
	if n.Type != "" {
		d.Block = n.Type == "b"
	}
	if n.FileMode != nil {
		d.Mode = uint32(n.FileMode.Perm())
	}
	if n.UID != nil {
		d.UID = *n.UID
	}
	if n.GID != nil {
		d.GID = *n.GID
	}
	return d, nil
}
