package namespace

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"golang.org/x/sys/unix"

	"slipway/solver/tree"
)

// mount mounts one of the file systems of the process.
func (c *config) mount(m *mount) error {
	at, mode := c.Root, c.tmpfsMode(m)
	if m.Target != "/" {
		var err error
		if at, err = c.target(m.Target, m.File); err != nil {
			return err
		}
	}
	switch {
	case m.Tmpfs:
		data := fmt.Sprintf("mode=%o", mode)
		if m.Size > 0 {
			data += fmt.Sprintf(",size=%d", m.Size)
		}
		return unix.Mount("tmpfs", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, data)
	case m.Bind != "":
		return bindIn(m.Bind, m.Source, at, m.ReadOnly)
	}
	if err := overlay(m, c.devicesFlag()); err != nil {
		return err
	}
	// What is mounted is a part of the overlay, or all of it. The root becomes
	// read-only when all is mounted.
	src := m.Merged
	if m.Source != "" {
		src = filepath.Join(src, filepath.FromSlash(m.Source))
	}
	return bind(src, at, m.ReadOnly && m.Target != "/")
}

// tmpfsMode returns the mode of a tmpfs. If the image has a directory at the mount
// point, the tmpfs has the mode of this directory.
//
// Upstream: runc does so.
func (c *config) tmpfsMode(m *mount) uint32 {
	if at, err := securejoin.SecureJoin(c.Root, m.Target); err == nil && m.Tmpfs {
		if info, err := os.Stat(at); err == nil && info.IsDir() {
			return tree.UnixMode(info.Mode())
		}
	}
	return 0o1777
}

// bindIn mounts a path of a directory, which other processes may change meanwhile.
func bindIn(dir, name, at string, readOnly bool) error {
	f, err := openIn(dir, name)
	if err != nil {
		return err
	}
	return errors.Join(bind(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), at, readOnly), f.Close())
}

// openIn opens a path of a directory, only to name it. Links do not lead out of
// the directory.
func openIn(dir, name string) (*os.File, error) {
	if path.Join("/", name) == "/" {
		return os.OpenFile(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	return pathrs.OpenInRoot(dir, name)
}

func bind(src, at string, readOnly bool) error {
	if err := unix.Mount(src, at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if !readOnly {
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return err
	}
	// A user namespace may not take away what the host locked.
	keep := uintptr(st.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	return unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|keep, "")
}

// devicesFlag keeps devices of images, and those that a process makes, from being
// opened: they are those of the host. A process with all privileges may.
func (c *config) devicesFlag() uintptr {
	if c.Insecure {
		return 0
	}
	return unix.MS_NODEV
}

// overlay mounts an overlay. Layers are named from their folder: the kernel
// takes a page of text.
func overlay(m *mount, flags uintptr) error {
	layers := filepath.Dir(m.Lower[0])
	var lower []string
	for _, dir := range m.Lower {
		lower = append(lower, filepath.Base(dir))
	}
	if err := os.Chdir(layers); err != nil {
		return err
	}
	opts := "lowerdir=" + strings.Join(lower, ":") + ",upperdir=" + m.Upper + ",workdir=" + m.Work
	err := unix.Mount("overlay", m.Merged, "overlay", flags, opts+",redirect_dir=off,index=off,metacopy=off")
	if errors.Is(err, unix.EPERM) {
		// In a user namespace the attributes of overlays are those of users.
		err = unix.Mount("overlay", m.Merged, "overlay", flags, opts+",userxattr")
	}
	return err
}

// system mounts what every process sees of the system.
func (c *config) system() error {
	for _, m := range []systemMount{
		{"proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"dev", "tmpfs", unix.MS_NOSUID | c.devicesFlag(), "mode=755,size=65536k"},
		{"dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620" + ttyGroup},
		{"dev/mqueue", "mqueue", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"dev/shm", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "mode=1777,size=65536k"},
		{"sys", "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_RDONLY, ""},
	} {
		if slices.ContainsFunc(c.Mounts, func(o mount) bool { return o.Target == "/"+m.name }) {
			continue // one of the process comes in its place
		}
		at, err := c.target(m.name, false)
		if err == nil {
			err = m.mount(at)
		}
		if err != nil {
			return fmt.Errorf("mount /%s: %w", m.name, err)
		}
	}
	return c.devices()
}

// systemMount is a file system of the kernel that every process sees.
type systemMount struct {
	name, kind string
	flags      uintptr
	data       string
}

func (m *systemMount) mount(at string) error {
	err := unix.Mount(m.kind, at, m.kind, m.flags, m.data)
	switch {
	case errors.Is(err, unix.EPERM) && m.kind == "sysfs":
		// The network that it shows belongs to someone else.
		return errors.Join(bind("/sys", at, true), hide(filepath.Join(at, "fs/cgroup")))
	case errors.Is(err, unix.EINVAL) && m.kind == "devpts":
		// The group tty does not exist in a user namespace with a single group.
		return unix.Mount(m.kind, at, m.kind, m.flags, strings.TrimSuffix(m.data, ttyGroup))
	}
	return err
}

// ttyGroup makes terminals those of the group tty, whose number is the same in
// all distributions.
const ttyGroup = ",gid=5"

// devices shows the devices that programs expect.
func (c *config) devices() error {
	if err := c.deviceNodes(); err != nil {
		return err
	}
	links := map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
		"ptmx": "pts/ptmx",
	}
	if _, err := os.Stat("/proc/kcore"); err == nil { // not every kernel has it
		links["core"] = "/proc/kcore"
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(c.Root, "dev", name)); err != nil {
			return err
		}
	}
	if c.Insecure {
		return nil
	}
	return c.mask()
}

// mask hides what would tell of the host or change it.
func (c *config) mask() error {
	for _, name := range []string{
		"proc/acpi", "proc/asound", "proc/kcore", "proc/keys", "proc/latency_stats", "proc/timer_list", "proc/timer_stats",
		"proc/sched_debug", "proc/scsi", "sys/firmware", "sys/devices/virtual/powercap",
	} {
		if err := hide(filepath.Join(c.Root, name)); err != nil {
			return fmt.Errorf("hide /%s: %w", name, err)
		}
	}
	for _, name := range []string{"bus", "fs", "irq", "sys", "sysrq-trigger"} {
		at := filepath.Join(c.Root, "proc", name)
		if _, err := os.Stat(at); err != nil {
			continue
		}
		if err := bind(at, at, true); err != nil {
			return fmt.Errorf("protect /proc/%s: %w", name, err)
		}
	}
	return nil
}

// hide shows nothing at a path. Not every kernel has it.
func hide(at string) error {
	info, err := os.Stat(at)
	switch {
	case err != nil:
		return nil //nolint:nilerr // it is not there
	case info.IsDir():
		return unix.Mount("tmpfs", at, "tmpfs", unix.MS_RDONLY, "size=0")
	}
	return bind("/dev/null", at, true)
}
