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

// system is what the system knows of a file beyond [fs.FileInfo].
type system struct {
	uid, gid uint32
	device   Device
	inode    string // "" for a file with one name
	version  string // of the content of that inode
}

func systemOf(fs.FileInfo) system { return system{} }

func sizeOnDisk(info fs.FileInfo) int64 { return info.Size() }

func dataIn(_ *os.File, from, size int64) (data, hole int64, err error) { return from, size, nil }
