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

	"slipway/internal/procfd"
)

// inDir calls fn with a file descriptor of dir, for system calls that [os.Root] lacks.
func inDir(dir *os.Root, fn func(fd int) error) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(fn(int(d.Fd())), d.Close())
}

// mknod creates the device, pipe or socket n in an open directory. The parameter name is
// the name of the new file.
func mknod(parent *os.Root, name string, n *Node) error {
	kind := map[Kind]uint32{CharDevice: unix.S_IFCHR, BlockDevice: unix.S_IFBLK, Fifo: unix.S_IFIFO, Socket: unix.S_IFSOCK}[n.kind]
	return inDir(parent, func(fd int) error {
		return unix.Mknodat(fd, name, kind|0o600, int(unix.Mkdev(n.device.Major, n.device.Minor)))
	})
}

// setLinkTime sets the modification time of a symbolic link itself, not of its target.
func setLinkTime(parent *os.Root, name string, t time.Time) error {
	ts := unix.NsecToTimespec(t.UnixNano())
	return inDir(parent, func(fd int) error {
		return unix.UtimesNanoAt(fd, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// setXattrs sets extended attributes of a file. It skips attributes that overlay file
// systems interpret, and attributes that the system refuses, such as labels of SELinux. If
// the system refuses [Capability], setXattrs returns an error, because a program may need
// its capabilities.
func setXattrs(parent *os.Root, name string, xattrs []Xattr) error {
	if len(xattrs) == 0 {
		return nil
	}
	return inDir(parent, func(fd int) error {
		for _, x := range xattrs {
			if isOverlayXattr(x.Name) {
				continue
			}
			err := unix.Lsetxattr(procfd.Path(uintptr(fd))+"/"+name, x.Name, []byte(x.Value), 0)
			refused := errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOTSUP)
			if err != nil && (!refused || x.Name == Capability) {
				return fmt.Errorf("set attribute %s of %s: %w", x.Name, name, err)
			}
		}
		return nil
	})
}

// isOverlayXattr reports whether overlay file systems interpret an extended attribute. With
// such an attribute, a directory of an image could hide files in lower layers.
//
// See https://docs.kernel.org/filesystems/overlayfs.html.
func isOverlayXattr(name string) bool {
	return strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.")
}

// xattrs returns those extended attributes of a file that become part of a tree:
// [Capability] and the attributes user.*. Other attributes, such as labels of SELinux,
// belong to the host. The result opaque reports whether the file is an opaque directory of
// an overlay, which hides the same directory in lower layers.
func (f hostFile) xattrs() (xattrs []Xattr, opaque bool, err error) {
	name := f.path()
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
		if !mark && (key != Capability && !strings.HasPrefix(key, "user.") || isOverlayXattr(key)) {
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

// marksOpaque reports whether an extended attribute marks opaque directories of overlays.
// In a user namespace, overlays use user.overlay.opaque, and processes on such an overlay
// cannot set this attribute. Elsewhere, processes can set the attribute, but it has no
// meaning.
func marksOpaque(key string) bool {
	return key == "trusted.overlay.opaque" || key == "user.overlay.opaque" && userns.RunningInUserNS()
}

// system holds file data from stat(2) that [fs.FileInfo] lacks.
type system struct {
	uid, gid uint32
	device   Device
	inode    string // "" if the file has only one name
	version  string // changes with the content of the file; "" if it has only one name
}

// systemOf returns the data from stat(2) that info contains.
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

// sizeOnDisk returns the number of bytes of a regular file that are not in holes.
func sizeOnDisk(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return withoutHoles(st.Size, st.Blocks)
	}
	return info.Size()
}

// dataIn finds the first data in a file at or after the offset from. It returns the offset
// of this data and the offset of the next hole after it. If no data follows, both results
// are equal to size, the size of the file in bytes.
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
