package namespace

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"slipway/solver/tree"
)

// makePrivate mounts the private directory: a file system in memory that only the init
// process sees. Programs of the container see the files mounted from it. Its content is
// gone when the container ends.
func (c *config) makePrivate() error {
	return unix.Mount("tmpfs", c.Private, "tmpfs", unix.MS_NOSUID, "mode=700")
}

// privateName returns an unused path in the private directory.
func (c *config) privateName() string {
	c.names++
	return filepath.Join(c.Private, strconv.Itoa(c.names))
}

// secret is a file that is never written to disk.
type secret struct {
	Data     []byte
	UID, GID int
	Mode     uint32
}

// secret writes a secret to the private directory and opens it with O_PATH.
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

// stage mounts a file or a directory in the private directory, with mount attributes
// for it and for the mounts below it.
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

// stageOne replaces a staged mount on kernels before Linux 5.12, which can only change
// one mount at a time. Mounts below it are not shown, except in a user namespace, where
// the kernel forbids revealing files below other mounts.
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

// restrict adds attributes to a mount, but not to the mounts below it.
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
