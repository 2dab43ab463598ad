package namespace

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"

	"slipway/internal/procfd"
	"slipway/solver/tree"
)

// mounts creates all mounts of the container: the root, the system mounts, the devices
// and the mounts of the process. A mount of the process replaces a system mount with
// the same target.
func (c *config) mounts() error {
	if err := c.makePrivate(); err != nil {
		return fmt.Errorf("make a private directory: %w", err)
	}
	if err := c.mountRoot(&c.Mounts[0]); err != nil {
		return fmt.Errorf("mount /: %w", err)
	}
	done := map[string]bool{"/": true}
	for _, s := range c.systemMounts() {
		done["/"+s.name] = true
		replaced, err := c.mountAll(func(m *mount) bool { return m.Target == "/"+s.name })
		if err == nil && !replaced {
			err = c.mountSystem(&s)
		}
		if err != nil {
			return err
		}
	}
	if err := c.mountGroups(); err != nil {
		return fmt.Errorf("mount /%s: %w", groupsDir, err)
	}
	if err := c.devices(); err != nil {
		return fmt.Errorf("make devices: %w", err)
	}
	if _, err := c.mountAll(func(m *mount) bool { return !done[m.Target] }); err != nil {
		return err
	}
	return c.moreDevices()
}

// mountAll creates those mounts of the process for which the function selected returns true.
// It reports whether any such mount exists.
func (c *config) mountAll(selected func(*mount) bool) (found bool, err error) {
	for i := range c.Mounts {
		if m := &c.Mounts[i]; selected(m) {
			found = true
			if err := c.mount(m); err != nil {
				return true, fmt.Errorf("mount %s: %w", m.Target, err)
			}
		}
	}
	return found, nil
}

// mountRoot mounts and opens the root. The root stays writable until all other mounts
// exist, because their mount points may have to be created.
func (c *config) mountRoot(m *mount) error {
	if err := c.show(m, c.Root, c.restrictions(m)&^unix.MOUNT_ATTR_RDONLY); err != nil {
		return err
	}
	var err error
	c.root, err = os.OpenFile(c.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return err
}

// mount mounts m, any mount except for the root. It creates the mount point if necessary, and
// mounts a tmpfs or the source of m there.
func (c *config) mount(m *mount) error {
	mode := c.tmpfsMode(m)
	at, err := c.target(m.Target, m.File)
	if err != nil {
		return err
	}
	defer at.Close()
	if err := checkMountPoint(at, m.Target); err != nil {
		return err
	}
	if m.Tmpfs {
		data := fmt.Sprintf("mode=%o", mode)
		if m.Size > 0 {
			data += fmt.Sprintf(",size=%d", m.Size)
		}
		flags := uintptr(unix.MS_NOSUID)
		if !c.Insecure && !c.Filtered {
			flags |= unix.MS_NODEV
		}
		return unix.Mount("tmpfs", procfd.Path(at.Fd()), "tmpfs", flags, data)
	}
	return c.show(m, procfd.Path(at.Fd()), c.restrictions(m))
}

// show mounts the source of m at the given path and sets the mount attributes attr
// (MOUNT_ATTR_*). No other process may be able to change this path, so callers usually pass
// the path of an open file (/proc/self/fd/N).
func (c *config) show(m *mount, at string, attr uint64) error {
	src, err := c.source(m)
	if err != nil {
		return err
	}
	defer src.Close()
	return c.bind(procfd.Path(src.Fd()), at, attr)
}

// restrictions returns the attributes (MOUNT_ATTR_*) for a mount. They include nodev,
// which forbids opening device files, unless the process is insecure or its control
// group filters devices. With an OCI runtime, only bind mounts get nodev. Without
// nodev, a process could use any device of the host through device files that are in
// the image or that it creates.
//
// Upstream: setuid programs work in trees and cache mounts.
func (c *config) restrictions(m *mount) uint64 {
	var attr uint64
	if m.ReadOnly {
		attr |= unix.MOUNT_ATTR_RDONLY
	}
	if m.Data {
		attr |= unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
	}
	if !c.Insecure && !c.Filtered && (c.OCI == nil || m.Bind != "") {
		attr |= unix.MOUNT_ATTR_NODEV
	}
	return attr
}

// tmpfsMode returns the mode for the root of a tmpfs: the mode of the directory at the
// mount point or, if no directory exists there, 1777.
//
// Upstream: same as runc.
func (c *config) tmpfsMode(m *mount) uint32 {
	const mode = 0o1777
	if !m.Tmpfs {
		return mode
	}
	f, err := openInRoot(c.root, m.Target)
	if err != nil {
		return mode
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return tree.UnixMode(info.Mode())
	}
	return mode
}

// source opens the source of the mount m with O_PATH. If the source is a secret, source first
// writes it to a file. If it is a tree, source first mounts its overlay.
func (c *config) source(m *mount) (*os.File, error) {
	switch {
	case m.Secret != nil:
		return c.secret(m.Secret)
	case m.Bind != "":
		return openIn(m.Bind, m.Source)
	}
	if err := overlay(m); err != nil {
		return nil, err
	}
	if err := reportOverlay(m.Merged); err != nil {
		return nil, err
	}
	return openIn(m.Merged, m.Source)
}

// openIn opens a file or directory with O_PATH. The parameter name is its path relative
// to dir, a directory of the host. Symbolic links do not lead out of dir, even if other
// processes change them concurrently.
func openIn(dir, name string) (*os.File, error) {
	if path.Join("/", name) == "/" {
		return os.OpenFile(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	root, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f, err := openInRoot(root, name)
	return f, errors.Join(err, root.Close())
}

// openInRoot opens a path below an open directory with O_PATH, like
// pathrs.OpenatInRoot. That function also mounts a private /proc to verify the name of
// the file. Mounting /proc takes longer than mounting the root of a process, and
// unmounting it waits for all CPUs.
func openInRoot(root *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat2(int(root.Fd()), name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	switch {
	case err == nil:
		return os.NewFile(uintptr(fd), name), nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return pathrs.OpenatInRoot(root, name) // before Linux 5.6, or while directories are moved
}

// bind bind-mounts the file or directory src. The parameter at is the path of the mount
// point. The attributes attr (MOUNT_ATTR_*) apply to this mount and to all mounts below src.
// bind sets them on a temporary mount of src in the private directory. It could not set them
// after mounting src at the final path: that path may be /proc/self/fd/N, which still leads
// to the file below the new mount.
func (c *config) bind(src, at string, attr uint64) error {
	staged, err := c.stage(src, attr)
	if err != nil {
		return err
	}
	return unix.Mount(staged, at, "", unix.MS_BIND|unix.MS_REC, "")
}

// target opens a mount point in the root with O_PATH. If it does not exist, target
// creates it as an empty file (if file is set) or as a directory. Symbolic links do not
// lead out of the root, even if other processes change directories in the path
// concurrently.
func (c *config) target(name string, file bool) (*os.File, error) {
	f, err := openInRoot(c.root, name)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	// If the path ends in a dangling link, create the target of the link. Resolving the
	// path by name is safe here, because the result is opened below the root only.
	at, err := securejoin.SecureJoin(c.Root, name)
	if err != nil {
		return nil, err
	}
	name = strings.TrimPrefix(at, c.Root)
	if !file {
		return c.mkdirAll(name)
	}
	dir, err := c.target(path.Dir(name), false)
	if err != nil {
		return nil, err
	}
	f, err = makeFile(dir, path.Base(name))
	return f, errors.Join(err, dir.Close())
}

// makeFile creates an empty file in an open directory and returns the open file.
func makeFile(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// checkMountPoint returns an error if a mount point is in a proc file system, unless it is
// one of replaceableFiles. The parameter at is the open mount point, and name is its path.
//
// Upstream: runc allows mounts over the files that lxcfs replaces, such as /proc/meminfo.
func checkMountPoint(at *os.File, name string) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(at.Fd()), &st); err != nil {
		return err
	}
	if st.Type == unix.PROC_SUPER_MAGIC && !slices.Contains(replaceableFiles(), name) {
		return errInProc
	}
	return nil
}

// errInProc is the error for a mount point inside /proc.
var errInProc = errors.New("cannot be mounted because it is inside /proc")

// replaceableFiles returns the files in /proc over which an image or step may mount
// something. They only contain information about the system, such as /proc/meminfo.
func replaceableFiles() []string {
	return []string{
		"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg",
		"/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled",
	}
}

// overlay mounts an overlay at the path m.Merged. The paths in its mount options are
// relative to the parent of the lower directories, because the kernel limits options to
// one page and interprets characters such as ":". overlay therefore changes the working
// directory.
func overlay(m *mount) error {
	layers := filepath.Dir(m.Lower[0])
	var lower []string
	for _, dir := range m.Lower {
		lower = append(lower, filepath.Base(dir))
	}
	upper, err := filepath.Rel(layers, m.Upper)
	if err != nil {
		return err
	}
	work, err := filepath.Rel(layers, m.Work)
	if err != nil {
		return err
	}
	if err := os.Chdir(layers); err != nil {
		return err
	}
	opts := "lowerdir=" + strings.Join(lower, ":") + ",upperdir=" + upper + ",workdir=" + work
	for _, more := range overlayAttributes() {
		failed := unix.Mount("overlay", m.Merged, "overlay", 0, opts+more)
		if failed == nil {
			return nil
		}
		err = cmp.Or(err, failed)
	}
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("state directory: its file system cannot hold an overlay: %w (use a directory on another file system, --state DIR)", err)
	}
	return err
}

// overlayAttributes returns alternative options for overlays, in the order in which to try
// them.
//
// A volatile overlay, which requires Linux 5.10, is not flushed to disk. Without the option
// volatile, the kernel writes all dirty pages of the file system whenever a step ends.
//
// In a user namespace, overlays store their marks in user attributes (userxattr). Options
// with userxattr come first in the list for a user namespace, because the kernel waits for
// all CPUs before it rejects an overlay.
func overlayAttributes() []string {
	const plain = ",redirect_dir=off,index=off,metacopy=off"
	if userns.RunningInUserNS() {
		return []string{",userxattr,volatile", plain, plain + ",volatile"}
	}
	return []string{plain + ",volatile", plain}
}
