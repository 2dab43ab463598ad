package namespace

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"slipway/solver/tree"
)

// makePrivate mounts the private directory, a tmpfs in the mount namespace of the
// container. Its files are in memory and visible only to the init process, which mounts
// some of them in the root. All of these files disappear with the container.
func (c *config) makePrivate() error {
	return unix.Mount("tmpfs", c.Private, "tmpfs", unix.MS_NOSUID, "mode=700")
}

// privateName returns an unused path in the private directory.
func (c *config) privateName() string {
	c.names++
	return filepath.Join(c.Private, strconv.Itoa(c.names))
}

// secret is a file whose content must never be written to disk.
type secret struct {
	Data     []byte
	UID, GID int
	Mode     uint32
}

// secret writes a secret to a file in the private directory and opens the file with
// O_PATH.
func (c *config) secret(s *secret) (*os.File, error) {
	name := c.privateName()
	if err := os.WriteFile(name, s.Data, 0o600); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chown(name, s.UID, s.GID), os.Chmod(name, tree.FileMode(s.Mode))); err != nil {
		return nil, err
	}
	return os.OpenFile(name, unix.O_PATH|unix.O_CLOEXEC, 0)
}

// stage mounts the file or directory src at a new path in the private directory and
// returns the path. It sets mount attributes (MOUNT_ATTR_*) on this mount and on all
// mounts below it.
func (c *config) stage(src string, attr uint64) (string, error) {
	info, err := os.Stat(src)
	if err != nil {
		return "", err
	}
	at := c.privateName()
	if info.IsDir() {
		err = os.Mkdir(at, 0o700)
	} else {
		err = os.WriteFile(at, nil, 0o600)
	}
	if err == nil {
		err = unix.Mount(src, at, "", unix.MS_BIND|unix.MS_REC, "")
	}
	if err == nil {
		err = unix.MountSetattr(unix.AT_FDCWD, at, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attr})
	}
	if errors.Is(err, unix.ENOSYS) {
		err = stageOne(src, at, attr)
	}
	return at, err
}

// stageOne mounts src on kernels before Linux 5.12. The parameter at is the path of the
// mount point. These kernels can set the attributes attr (MOUNT_ATTR_*) on only one
// mount, so stageOne leaves out the mounts below src. In a user namespace the kernel
// may reject this, because it would reveal the files that these mounts hide. In this
// case, stageOne includes the mounts below src, but does not set the attributes on
// them.
func stageOne(src, at string, attr uint64) error {
	if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
		return err
	}
	err := unix.Mount(src, at, "", unix.MS_BIND, "")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount(src, at, "", unix.MS_BIND|unix.MS_REC, "")
	}
	if err != nil {
		return err
	}
	return restrict(at, attr)
}

// restrict adds mount attributes to the mount at a path, but not to the mounts below
// it.
func restrict(at string, attr uint64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return err
	}
	// Remounting replaces the flags of a mount. They have the same values as the
	// attributes.
	keep := uintptr(st.Flags) & (unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	return unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|keep|uintptr(attr), "")
}
