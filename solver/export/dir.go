package export

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"slipway/solver/tree"
)

// WriteDir writes the files of a tree into a directory, which is made if it is
// missing. What else is there stays. The files belong to who builds.
//
// All is written beside the directory first, so that nothing is half-written if
// it fails.
func WriteDir(dest string, n *tree.Node, s *tree.Store) error {
	dest, err := filepath.Abs(dest)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dest), ".slipway-")
	if err != nil {
		return err
	}
	err = tree.WriteDir(tmp, n, s, tree.HostOptions{})
	if err == nil {
		err = Move(tmp, dest)
	}
	return errors.Join(err, os.RemoveAll(tmp))
}

// Move moves a file to its place, and the entries of a directory into one that
// is there.
func Move(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	old, err := os.Lstat(to)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() && !old.IsDir() {
		return os.Rename(from, to)
	}
	if err != nil {
		return err
	}
	if !info.IsDir() || !old.IsDir() {
		return &fs.PathError{Op: "write", Path: to, Err: errors.New("a directory and a file cannot take each other's place")}
	}
	list, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := Move(filepath.Join(from, d.Name()), filepath.Join(to, d.Name())); err != nil {
			return err
		}
	}
	return nil
}
