package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// checkOwner returns an error if another user could control what a build by the user uid
// reads from the state directory, or where it writes. It rejects a directory that belongs
// to a user other than uid and root. For root, it also rejects symbolic links in the
// directory. A missing directory is valid.
func checkOwner(dir string, uid int) error {
	link, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	for _, i := range []fs.FileInfo{link, info} {
		if owner := ownerOf(i); owner != uid && owner != 0 {
			return fmt.Errorf("%q belongs to user %d (name a directory of your own with --state)", dir, owner)
		}
	}
	if uid != 0 {
		return nil
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Type()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%q is a symbolic link (remove it, or name another directory with --state)", filepath.Join(dir, e.Name()))
		}
	}
	return nil
}
