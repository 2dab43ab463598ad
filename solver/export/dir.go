package export

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"slipway/solver"
	"slipway/solver/tree"
)

// WriteDir writes the files of a tree into a directory, which is made if it is
// missing. What else is there stays. The files belong to who builds.
//
// All is written into a hidden directory in it first, so that nothing is
// half-written if it fails. Symbolic links below the directory are not followed.
func (o Outputs) WriteDir(ctx context.Context, dest string, n *tree.Node, s *tree.Store) (err error) {
	_, missing := os.Stat(dest)
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return err
	}
	if missing != nil {
		defer func() {
			if err != nil {
				os.Remove(dest) // unless there is something in it
			}
		}()
	}
	temp, done, err := o.Note(dest)
	if err != nil {
		return err
	}
	defer done()
	if err := os.Mkdir(temp, 0o700); err != nil {
		return err
	}
	t := solver.Track(ctx, "copying files", 0)
	err = tree.WriteDir(ctx, temp, n, s, tree.HostOptions{Written: t.Add, Refused: o.Refused})
	t.Done()
	if err == nil {
		err = Merge(temp, dest)
	}
	if err == nil && missing != nil {
		m := n.Meta()
		err = errors.Join(os.Chmod(dest, tree.FileMode(m.Mode)), os.Chtimes(dest, m.ModTime, m.ModTime))
	}
	return errors.Join(err, tree.RemoveAll(temp))
}

// Merge moves the entries of a directory into one that is there. What is new
// comes in place of what is there, but for directories, which are merged.
func Merge(from, to string) error {
	list, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := move(filepath.Join(from, d.Name()), filepath.Join(to, d.Name())); err != nil {
			return err
		}
	}
	return nil
}

// move moves a file to its place, and the entries of a directory into one that
// is there.
func move(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	old, err := os.Lstat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !info.IsDir() && !old.IsDir():
		return rename(from, to, info)
	case err != nil:
		return err
	case !info.IsDir() || !old.IsDir():
		// Upstream: what is new comes in place of what is there, also of a
		// directory with all in it.
		return errors.Join(os.RemoveAll(to), rename(from, to, info))
	}
	// Both are written to, also those that nobody may write to any more.
	if err := os.Chmod(from, 0o700); err != nil {
		return err
	}
	if old.Mode().Perm()&0o700 != 0o700 {
		if err := os.Chmod(to, old.Mode().Perm()|0o700); err != nil {
			return err
		}
	}
	if err := Merge(from, to); err != nil {
		return err
	}
	return errors.Join(os.Chmod(to, info.Mode()), os.Chtimes(to, info.ModTime(), info.ModTime()))
}

// rename moves what is not there yet. A directory that nobody may write to
// cannot be moved by someone who is not root.
func rename(from, to string, info fs.FileInfo) error {
	err := os.Rename(from, to)
	if !errors.Is(err, fs.ErrPermission) || !info.IsDir() {
		return err
	}
	if err := os.Chmod(from, 0o700); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return os.Chmod(to, info.Mode())
}
