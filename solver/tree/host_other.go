//go:build !linux

package tree

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

func mknod(*os.Root, string, *Node) error { return errors.ErrUnsupported }

// setLinkTime does nothing, because no portable way exists to set the time of a
// symbolic link.
func setLinkTime(*os.Root, string, time.Time) error { return nil }

func setXattrs(_ *os.Root, _ string, xattrs []Xattr) error {
	if len(xattrs) == 0 {
		return nil
	}
	return errors.ErrUnsupported
}

// system holds the system's attributes of a file that [fs.FileInfo] lacks.
type system struct {
	uid, gid uint32
	device   Device
	inode    string // "" if the file has one name
	version  string // identifies the content of the inode
}

func systemOf(fs.FileInfo) system { return system{} }

func sizeOnDisk(info fs.FileInfo) int64 { return info.Size() }

func dataIn(_ *os.File, from, size int64) (data, hole int64, err error) { return from, size, nil }
