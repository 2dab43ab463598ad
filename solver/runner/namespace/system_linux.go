package namespace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"slipway/internal/procfd"
)

// systemMount is a mount of a kernel file system that every process sees.
type systemMount struct {
	name, kind string // path in the root, and file system type
	flags      uintptr
	data       string
	hidden     []string // paths to mask, because they reveal information about the host
	protected  []string // paths to make read-only, because writing to them changes the host
}

// ttyGroup is the devpts option that assigns terminals to the group tty, whose number
// is 5 in all distributions.
const ttyGroup = ",gid=5"

// systemMounts returns the system mounts of the container in the order of mounting.
func (c *config) systemMounts() []systemMount {
	const none = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	dev := uintptr(unix.MS_NOSUID)
	if !c.Insecure && !c.Filtered {
		dev |= unix.MS_NODEV
	}
	return []systemMount{
		{
			name: "proc", kind: "proc", flags: none,
			hidden: []string{
				"acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi",
			},
			protected: []string{"bus", "fs", "irq", "sys", "sysrq-trigger"},
		},
		{name: "dev", kind: "tmpfs", flags: dev, data: "mode=755,size=65536k"},
		{name: "dev/pts", kind: "devpts", flags: unix.MS_NOSUID | unix.MS_NOEXEC, data: "newinstance,ptmxmode=0666,mode=0620" + ttyGroup},
		{name: "dev/mqueue", kind: "mqueue", flags: none},
		{name: "dev/shm", kind: "tmpfs", flags: none, data: "mode=1777,size=65536k"},
		{name: "sys", kind: "sysfs", flags: none | unix.MS_RDONLY, hidden: []string{"firmware", "devices/virtual/powercap"}},
	}
}

// mountSystem creates the system mount s. Unless the process is insecure, it also masks
// the paths in s.hidden and makes the paths in s.protected read-only.
func (c *config) mountSystem(s *systemMount) error {
	at, err := c.mkdirAll(s.name)
	if err == nil {
		err = errors.Join(c.mountKind(s, at), at.Close())
	}
	if err != nil {
		return s.failure(err)
	}
	if c.Insecure {
		return nil
	}
	for _, name := range s.hidden {
		if err := c.hide(path.Join(s.name, name)); err != nil {
			return fmt.Errorf("hide /%s/%s: %w", s.name, name, err)
		}
	}
	for _, name := range s.protected {
		if err := c.protect(path.Join(s.name, name)); err != nil {
			return fmt.Errorf("protect /%s/%s: %w", s.name, name, err)
		}
	}
	return nil
}

// groupsDir is the path in the root at which control groups are mounted.
const groupsDir = "sys/fs/cgroup"

// mountGroups mounts the control groups in c.Views, which the process may write to. With version 1,
// each hierarchy is a directory in a tmpfs.
func (c *config) mountGroups() error {
	if len(c.Views) == 0 {
		return nil
	}
	at, err := openInRoot(c.root, groupsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the sysfs of a kernel without control groups
	}
	if err != nil {
		return err
	}
	defer at.Close()
	const none = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if len(c.Views) == 1 && c.Views[0].Unified {
		return c.bind(c.Views[0].Dir, procfd.Path(at.Fd()), none)
	}
	if err := unix.Mount("tmpfs", procfd.Path(at.Fd()), "tmpfs", none, "mode=755"); err != nil {
		return err
	}
	for _, v := range c.Views {
		dir, err := c.mkdirAll(path.Join(groupsDir, v.Name))
		if err != nil {
			return err
		}
		if err := errors.Join(c.bind(v.Dir, procfd.Path(dir.Fd()), none), dir.Close()); err != nil {
			return err
		}
	}
	return nil
}

// failure adds the path of the system mount s to err, the error from creating the mount. If
// err is ENOTDIR, failure instead returns an error that advises to replace the link or file in
// the image by a directory.
func (s *systemMount) failure(err error) error {
	if errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("mount /%s: filesystem %q must be mounted on ordinary directory (replace the link or file in the image)", s.name, s.kind)
	}
	return fmt.Errorf("mount /%s: %w", s.name, err)
}

// mountKind mounts a kernel file system such as proc or sysfs. The parameter at is the open
// mount point. In a user namespace, the kernel may refuse the mount. If the kernel refuses a
// sysfs, mountKind instead bind-mounts the host's /sys and hides its control groups. If the
// kernel refuses a devpts, mountKind leaves out the option for the group tty.
func (c *config) mountKind(s *systemMount, at *os.File) error {
	err := unix.Mount(s.kind, procfd.Path(at.Fd()), s.kind, s.flags, s.data)
	switch {
	case errors.Is(err, unix.EPERM) && s.kind == "sysfs":
		// sysfs shows the network namespace, which belongs to another user namespace.
		if err := c.bind("/sys", procfd.Path(at.Fd()), uint64(s.flags)); err != nil {
			return err
		}
		return c.hide("sys/fs/cgroup")
	case errors.Is(err, unix.EINVAL) && s.kind == "devpts":
		// The group tty does not exist in a user namespace with a single group.
		return unix.Mount(s.kind, procfd.Path(at.Fd()), s.kind, s.flags, strings.TrimSuffix(s.data, ttyGroup))
	}
	return err
}

// mkdirAll opens a directory in the root with O_PATH. It creates the directory and its parents
// if they do not exist. If a component of the path is a link or a file, mkdirAll fails with
// ENOTDIR. If mkdirAll followed links, a link could move system mounts to another path, and
// prevent paths from being hidden.
//
// mkdirAll does not use pathrs.MkdirAllHandle, which also mounts a private /proc. The kernel
// would unmount this /proc when the program of the process is executed, and would then wait
// for all CPUs.
func (c *config) mkdirAll(name string) (*os.File, error) {
	at, err := c.root, error(nil)
	for part := range strings.SplitSeq(strings.Trim(name, "/"), "/") {
		dir := at
		if at, err = makeDirIn(dir, part); dir != c.root {
			err = errors.Join(err, dir.Close())
		}
		if err != nil {
			return nil, err
		}
	}
	return at, nil
}

// makeDirIn opens a subdirectory of the open directory dir with O_PATH, and creates it
// if it does not exist. The parameter name is a single path component. If the
// subdirectory is a symbolic link, makeDirIn fails.
func makeDirIn(dir *os.File, name string) (*os.File, error) {
	if err := unix.Mkdirat(int(dir.Fd()), name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// hide masks a path of a system mount with an empty file or directory. If the path does
// not exist in this kernel, hide does nothing.
func (c *config) hide(name string) error {
	at, err := openInRoot(c.root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer at.Close()
	info, err := at.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return unix.Mount("tmpfs", procfd.Path(at.Fd()), "tmpfs", unix.MS_RDONLY, "size=0")
	}
	if c.emptyFile == "" {
		null, err := c.node(&standardDevices()[0])
		if err != nil {
			return err
		}
		if c.emptyFile, err = c.stage(null, unix.MOUNT_ATTR_RDONLY); err != nil {
			return err
		}
	}
	return unix.Mount(c.emptyFile, procfd.Path(at.Fd()), "", unix.MS_BIND, "")
}

// protect makes a path of a system mount read-only. If the path does not exist in this
// kernel, protect does nothing.
func (c *config) protect(name string) error {
	at, err := openInRoot(c.root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(c.bind(procfd.Path(at.Fd()), procfd.Path(at.Fd()), unix.MOUNT_ATTR_RDONLY), at.Close())
}
