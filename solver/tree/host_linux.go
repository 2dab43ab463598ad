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

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"
)

// inDir calls fn with a descriptor of the directory at.
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

// setXattrs sets extended attributes, except for those that overlays interpret. It
// skips attributes that the file system or a user namespace refuses, such as the label
// of the host's security module. Only capabilities must be set.
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

// ofOverlay reports whether an attribute controls an overlay. A directory with such an
// attribute may hide the files below it.
//
// See https://docs.kernel.org/filesystems/overlayfs.html.
func ofOverlay(name string) bool {
	return strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.")
}

// xattrs reads the extended attributes that belong in images: capabilities and user
// attributes. Attributes of security modules belong to the host and are skipped. opaque
// reports whether the file is an opaque directory of an overlay, which hides the lower
// directories.
func (f hostFile) xattrs() (xattrs []Xattr, opaque bool, err error) {
	name := fdPath(f.File)
	n, err := unix.Listxattr(name, nil) // most files have no attributes
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
		mark := marksOpaque(key)
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

// marksOpaque reports whether an attribute marks opaque directories of overlays. Overlays
// use attributes of users only in user namespaces, where they keep steps from setting
// them. Elsewhere a step can set these attributes, which then have no meaning.
func marksOpaque(key string) bool {
	return key == "trusted.overlay.opaque" || key == "user.overlay.opaque" && userns.RunningInUserNS()
}

// fdPath returns a path to an open file. No other process can make it refer to another
// file.
func fdPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// system holds the system's attributes of a file that [fs.FileInfo] lacks.
type system struct {
	uid, gid uint32
	device   Device
	inode    string // "" if the file has one name
	version  string // identifies the content of the inode
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

// sizeOnDisk returns the number of bytes that a file occupies on disk.
func sizeOnDisk(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return withoutHoles(st.Size, st.Blocks)
	}
	return info.Size()
}

// dataIn returns the start and end of the first data in a file after the offset from.
// If only a hole follows, both are the end of the file.
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
