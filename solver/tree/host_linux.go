package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// inDir calls fn with the descriptor of a directory.
func inDir(at *os.Root, fn func(fd int) error) error {
	d, err := at.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(fn(int(d.Fd())), d.Close())
}

func mknod(at *os.Root, name string, n *Node) error {
	kind := map[Kind]uint32{CharDevice: unix.S_IFCHR, BlockDevice: unix.S_IFBLK, Fifo: unix.S_IFIFO, Socket: unix.S_IFSOCK}[n.kind]
	return inDir(at, func(fd int) error {
		return unix.Mknodat(fd, name, kind|0o600, int(unix.Mkdev(n.device.Major, n.device.Minor)))
	})
}

func setLinkTime(at *os.Root, name string, t time.Time) error {
	ts := unix.NsecToTimespec(t.UnixNano())
	return inDir(at, func(fd int) error {
		return unix.UtimesNanoAt(fd, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// setXattrs sets extended attributes, except those that overlays read as their
// own. Those that the file system or a user namespace refuses, such as the label
// of the host's security module, are left out. Only capabilities must be set.
func setXattrs(at *os.Root, name string, xattrs []Xattr) error {
	if len(xattrs) == 0 {
		return nil
	}
	return inDir(at, func(fd int) error {
		for _, x := range xattrs {
			if ofOverlay(x.Name) {
				continue
			}
			err := unix.Lsetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", fd, name), x.Name, []byte(x.Value), 0)
			refused := errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOTSUP)
			if err != nil && (!refused || x.Name == Capability) {
				return fmt.Errorf("set attribute %s of %s: %w", x.Name, name, err)
			}
		}
		return nil
	})
}

// ofOverlay reports whether an attribute steers an overlay: a directory with one
// of them may hide what is below it.
// https://docs.kernel.org/filesystems/overlayfs.html
func ofOverlay(name string) bool {
	return strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.")
}

// xattrs reads the extended attributes that images keep: capabilities and what users
// set. Those of the host's security modules are its own. It reports whether the file is
// a directory of an overlay that hides what is below it.
func (f hostFile) xattrs() (xattrs []Xattr, opaque bool, err error) {
	name := fdPath(f.File)
	n, err := unix.Listxattr(name, nil) // most files have none
	if errors.Is(err, unix.ENOTSUP) || err == nil && n == 0 {
		return nil, false, nil
	}
	buf := make([]byte, 1<<16)
	if err == nil {
		n, err = unix.Listxattr(name, buf)
	}
	if err != nil {
		return nil, false, fmt.Errorf("list attributes: %w", err)
	}
	for key := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		mark := key == "trusted.overlay.opaque" || key == "user.overlay.opaque"
		if !mark && (key != Capability && !strings.HasPrefix(key, "user.") || ofOverlay(key)) {
			continue
		}
		value := make([]byte, 1<<16)
		size, err := unix.Getxattr(name, key, value)
		if err != nil {
			return nil, false, fmt.Errorf("read attribute %s: %w", key, err)
		}
		if mark {
			opaque = opaque || string(value[:size]) == "y"
			continue
		}
		xattrs = append(xattrs, Xattr{key, string(value[:size])})
	}
	slices.SortFunc(xattrs, func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) })
	return xattrs, opaque, nil
}

// fdPath returns a path of an open file that no other process can make another file.
func fdPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// system is what the system knows of a file beyond [fs.FileInfo].
type system struct {
	uid, gid uint32
	device   Device
	inode    string // "" for a file with one name
	version  string // of the content of that inode
}

func systemOf(info fs.FileInfo) system {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return system{}
	}
	s := system{uid: st.Uid, gid: st.Gid, device: Device{unix.Major(st.Rdev), unix.Minor(st.Rdev)}}
	if st.Nlink > 1 && !info.IsDir() {
		s.inode = fmt.Sprintf("%x.%x", st.Dev, st.Ino)
		s.version = fmt.Sprintf("%s.%x.%x.%x", s.inode, st.Size, st.Ctim.Sec, st.Ctim.Nsec)
	}
	return s
}

// sizeOnDisk returns how many bytes of a file are on disk.
func sizeOnDisk(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return withoutHoles(st.Size, st.Blocks)
	}
	return info.Size()
}

// dataIn returns where the first data begins and ends in a file, from an offset. If
// only a hole follows, that is its end.
func dataIn(f *os.File, from, size int64) (data, hole int64, err error) {
	data, err = f.Seek(from, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return size, size, nil
	}
	if err == nil {
		hole, err = f.Seek(data, unix.SEEK_HOLE)
	}
	return data, hole, err
}
