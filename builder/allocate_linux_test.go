package builder

import (
	"errors"
	"os"
	"syscall"
)

// allocate makes a file that takes n bytes of the disk, and writes none.
func allocate(name string, n int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(syscall.Fallocate(int(f.Fd()), 0, 0, n), f.Close())
}
