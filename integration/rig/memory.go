package rig

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	memory     = "/dev/shm"
	memoryRoom = 4 << 30 // bytes; the builders of a test program write less than 1 GB
)

// memoryDir creates a directory for the state of builders in memory and returns its path. It
// returns "" if the machine has no file system in memory that has room and allows the device
// files and programs of images. Builders sync their databases many times for each build, which
// takes most of the time of a test on a slow disk.
func memoryDir() (string, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(memory, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC {
		return "", nil
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return "", err
	}
	restricted := fs.Flags & (unix.ST_NODEV | unix.ST_NOEXEC | unix.ST_NOSUID | unix.ST_RDONLY)
	room := min(fs.Bavail*uint64(fs.Bsize), info.Freeram*uint64(info.Unit))
	if restricted != 0 || room < memoryRoom {
		return "", nil
	}
	return os.MkdirTemp(memory, "slipway-rig-")
}
