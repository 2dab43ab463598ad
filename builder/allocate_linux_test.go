package builder

import (
	"errors"
	"os"
	"syscall"
)

// allocate creates a file that uses n bytes of the disk, without writing them.
func allocate(name string, n int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(syscall.Fallocate(int(f.Fd()), 0, 0, n), f.Close())
}
