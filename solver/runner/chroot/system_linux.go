package chroot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// copiedFiles returns the files below /proc whose content does not depend on the process that
// reads them. Programs read them to learn about the machine.
func copiedFiles() []string {
	return []string{
		"cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "uptime", "version",
		"sys/fs/file-max", "sys/fs/pipe-max-size", "sys/kernel/cap_last_cap", "sys/kernel/osrelease", "sys/kernel/ostype",
		"sys/kernel/pid_max", "sys/kernel/threads-max", "sys/kernel/version", "sys/net/core/somaxconn", "sys/vm/overcommit_memory",
	}
}

// maxCopied is the number of bytes that fillProc copies of a file.
const maxCopied = 1 << 20

// fillProc writes copies of the builder's files in /proc to dir.
func fillProc(dir string) error {
	for _, name := range copiedFiles() {
		f, err := os.Open(filepath.Join("/proc", name))
		if err != nil {
			continue // a container may hide it, or the kernel lack it
		}
		data, err := io.ReadAll(io.LimitReader(f, maxCopied))
		f.Close()
		if err != nil {
			continue
		}
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o555); err != nil {
			return err
		}
		if err := os.WriteFile(at, data, 0o444); err != nil {
			return err
		}
	}
	return nil
}

// fillDev creates the standard devices and links in dir.
func fillDev(dir string) error {
	for _, d := range []struct {
		name         string
		major, minor uint32
	}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}} {
		at := filepath.Join(dir, d.name)
		if err := unix.Mknod(at, unix.S_IFCHR|0o666, int(unix.Mkdev(d.major, d.minor))); err != nil {
			return fmt.Errorf("create /dev/%s: %w (allow CAP_MKNOD)", d.name, err)
		}
		if err := os.Chmod(at, 0o666); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, "null"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("open /dev/null: %w (use a state directory on a file system without nodev, --state DIR)", err)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	// Without /proc/self and a terminal, the links lead nowhere. Without the links, programs would
	// create files at their paths and lose their output.
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for name, mode := range map[string]fs.FileMode{"shm": fs.ModeSticky | 0o777, "mqueue": fs.ModeSticky | 0o777, "pts": 0o755} {
		at := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(at, 0o755), os.Chmod(at, mode)); err != nil {
			return err
		}
	}
	return nil
}
