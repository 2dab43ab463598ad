//go:build !linux

package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// RemoveAll removes a file or a directory of the host with everything in it. Unlike
// [os.RemoveAll], it makes directories writable if necessary.
func RemoveAll(name string) error {
	err := os.RemoveAll(name)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	walkErr := filepath.WalkDir(name, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(name, 0o700)
		}
		return nil // the removal may succeed despite err
	})
	return errors.Join(walkErr, os.RemoveAll(name))
}
