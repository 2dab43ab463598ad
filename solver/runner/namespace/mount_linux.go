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
	"strconv"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"

	"slipway/solver/tree"
)

// mounts creates all mounts of the container. A mount of the process replaces a system
// mount with the same target.
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
	if err := c.devices(); err != nil {
		return fmt.Errorf("make devices: %w", err)
	}
	_, err := c.mountAll(func(m *mount) bool { return !done[m.Target] })
	return err
}

// mountAll mounts the mounts that chosen selects, and reports whether there are any.
func (c *config) mountAll(chosen func(*mount) bool) (some bool, err error) {
	for i := range c.Mounts {
		if m := &c.Mounts[i]; chosen(m) {
			some = true
			if err := c.mount(m); err != nil {
				return true, fmt.Errorf("mount %s: %w", m.Target, err)
			}
		}
	}
	return some, nil
}

// mountRoot mounts and opens the root. It becomes read-only after all other mounts.
func (c *config) mountRoot(m *mount) error {
	if err := c.show(m, c.Root, c.restrictions(m)&^unix.MOUNT_ATTR_RDONLY); err != nil {
		return err
	}
	var err error
	c.root, err = os.OpenFile(c.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return err
}

// mount mounts one of the process's mounts, except for its root.
func (c *config) mount(m *mount) error {
	mode := c.tmpfsMode(m)
	at, err := c.target(m.Target, m.File)
	if err != nil {
		return err
	}
	defer at.Close()
	if err := inProc(at, m.Target); err != nil {
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
		return unix.Mount("tmpfs", fdPath(at), "tmpfs", flags, data)
	}
	return c.show(m, fdPath(at), c.restrictions(m))
}

// show mounts the files of a mount at a path that no other process can change.
func (c *config) show(m *mount, at string, attr uint64) error {
	src, err := c.source(m)
	if err != nil {
		return err
	}
	defer src.Close()
	return c.bind(fdPath(src), at, attr)
}

// restrictions returns the attributes of a mount of files. Devices in images, and
// devices that a process creates, are the host's devices. They cannot be opened, unless
// the control group of the process filters devices or the process has all privileges.
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

// tmpfsMode returns the mode of a tmpfs. If the image has a directory at the mount
// point, the tmpfs has the mode of this directory.
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

// source opens the source of a bind mount with O_PATH. For a secret it creates the file,
// and for a tree it mounts the overlay first.
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

// openIn opens a path below a directory, with O_PATH. Links do not lead out of the
// directory, even if other processes change it concurrently.
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

// openInRoot opens a path below a directory, with O_PATH, like pathrs.OpenatInRoot.
// That function also mounts a private /proc to verify the name of the file. Mounting it
// takes longer than mounting the root of a process, and unmounting it waits for all
// CPUs.
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

// fdPath returns a path to an open file. No other process can make it refer to another
// file.
func fdPath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// bind mounts a file or a directory at a path, with mount attributes (MOUNT_ATTR_*) for
// it and for the mounts below it. The attributes are set in the private directory,
// because the path of a descriptor at a mount point does not lead to the new mount.
func (c *config) bind(src, at string, attr uint64) error {
	staged, err := c.stage(src, attr)
	if err != nil {
		return err
	}
	return unix.Mount(staged, at, "", unix.MS_BIND|unix.MS_REC, "")
}

// target opens a path of the root, with O_PATH, and creates its missing parts. Links do
// not lead out of the root, even if other processes change directories of the path
// concurrently.
func (c *config) target(name string, file bool) (*os.File, error) {
	f, err := openInRoot(c.root, name)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	// The target of a dangling link is created. It is determined by name, which is
	// safe: the name is only opened below the root.
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

// makeFile creates an empty file in a directory.
func makeFile(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// inProc returns an error if a mount point is in a proc file system.
//
// Upstream: runc allows the files that lxcfs replaces.
func inProc(at *os.File, name string) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(at.Fd()), &st); err != nil {
		return err
	}
	if st.Type == unix.PROC_SUPER_MAGIC && !slices.Contains(replaceable(), name) {
		return errInProc
	}
	return nil
}

var errInProc = errors.New("cannot be mounted because it is inside /proc")

// replaceable returns the files of /proc that may be mount points.
func replaceable() []string {
	return []string{
		"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg",
		"/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled",
	}
}

// overlay mounts an overlay. Its directories are relative to the parent of the layers,
// because the kernel limits mount options to one page and interprets some characters.
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

// overlayAttributes returns options for overlays, in order of preference.
//
// A volatile overlay is not flushed to disk. Without that option, the kernel writes all
// dirty pages of the disk whenever a step ends. Kernels before Linux 5.10 do not
// support it.
//
// In a user namespace, overlays use user attributes. These options are tried first
// there, because the kernel waits for all CPUs before it rejects an overlay.
func overlayAttributes() []string {
	const plain = ",redirect_dir=off,index=off,metacopy=off"
	if userns.RunningInUserNS() {
		return []string{",userxattr,volatile", plain, plain + ",volatile"}
	}
	return []string{plain + ",volatile", plain}
}
