package builder

import (
	"errors"
	"os"
	"syscall"
)

// allocate creates a file called name, and allocates n bytes of disk space for it
// without writing data.
func allocate(name string, n int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(syscall.Fallocate(int(f.Fd()), 0, 0, n), f.Close())
}
