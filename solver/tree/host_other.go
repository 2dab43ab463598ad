//go:build !linux

package tree

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// mknod returns an error, because this system has no portable way to create devices.
func mknod(*os.Root, string, *Node) error { return errors.ErrUnsupported }

// setLinkTime does nothing, because this system has no portable way to set the time of a
// symbolic link.
func setLinkTime(*os.Root, string, time.Time) error { return nil }

// setXattrs returns an error if xattrs is not empty: extended attributes are not supported.
func setXattrs(_ *os.Root, _ string, xattrs []Xattr) error {
	if len(xattrs) == 0 {
		return nil
	}
	return errors.ErrUnsupported
}

// system would hold file data that [fs.FileInfo] lacks. On this system, no such data is
// available.
type system struct {
	uid, gid uint32
	device   Device
	inode    string
	version  string
}

// systemOf returns the zero value, because the data is not available on this system.
func systemOf(fs.FileInfo) system { return system{} }

// sizeOnDisk returns the size of a file. It does not detect holes.
func sizeOnDisk(info fs.FileInfo) int64 { return info.Size() }

// dataIn returns from and size, as if the file contained data from the offset from to its
// end. It does not detect holes.
func dataIn(_ *os.File, from, size int64) (data, hole int64, err error) { return from, size, nil }
