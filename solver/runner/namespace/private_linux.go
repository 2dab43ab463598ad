package namespace

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"slipway/solver/tree"
)

// makePrivate mounts the private directory: a file system in memory that only the
// init process sees. Programs of the container see what is mounted from it, and nothing
// of it is left when the container ends.
func (c *config) makePrivate() error {
	return unix.Mount("tmpfs", c.Private, "tmpfs", unix.MS_NOSUID, "mode=700")
}

// privateName returns a new name in the private directory.
func (c *config) privateName() string {
	c.names++
	return filepath.Join(c.Private, strconv.Itoa(c.names))
}

// secret is a file that is never on a disk.
type secret struct {
	Data     []byte
	UID, GID int
	Mode     uint32
}

// secret writes a secret to the private directory, and opens it, only to name it.
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

// stage mounts a file or a directory in the private directory, with attributes of
// mounts for it and for what is mounted below it.
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

// stageOne replaces a staged mount where the kernel, before Linux 5.12, can change only
// one mount at a time. What is mounted below it is not shown, unless this is a user
// namespace, which may not show what others have mounted something over.
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

// restrict gives a mount more attributes, but not those that are mounted below it.
func restrict(at string, attr uint64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return err
	}
	// The flags of a mount are replaced. They have the same numbers as the attributes.
	keep := uintptr(st.Flags) & (unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	return unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|keep|uintptr(attr), "")
}
