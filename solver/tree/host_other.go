//go:build !linux

package tree

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

func mknod(*os.Root, string, *Node) error { return errors.ErrUnsupported }

// setLinkTime leaves the time of a symbolic link alone: there is no portable way.
func setLinkTime(*os.Root, string, time.Time) error { return nil }

func setXattrs(_ *os.Root, _ string, xattrs []Xattr) error {
	if len(xattrs) == 0 {
		return nil
	}
	return errors.ErrUnsupported
}

func fdPath(f *os.File) string { return f.Name() }

const nonBlocking = 0

func xattrsOf(string) ([]Xattr, error) { return nil, nil }

// system is what the system knows of a file beyond [fs.FileInfo].
type system struct {
	uid, gid uint32
	device   Device
	inode    string // "" for a file with one name
}

func systemOf(fs.FileInfo) system { return system{} }
