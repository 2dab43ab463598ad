package export

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"slipway/solver/track"
	"slipway/solver/tree"
)

// WriteDir writes the file tree n into the directory dest. The contents of the files are
// in the store s. WriteDir creates dest if needed, and does not touch other files there.
// The current user becomes the owner of the files.
//
// WriteDir first writes everything into a hidden directory inside dest, so that a failure
// leaves no incomplete files. It does not follow symbolic links below dest.
func (o Outputs) WriteDir(ctx context.Context, dest string, n *tree.Node, s *tree.Store) (err error) {
	_, missing := os.Stat(dest)
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return err
	}
	if missing != nil {
		defer func() {
			if err != nil {
				os.Remove(dest) // fails unless it is empty
			}
		}()
	}
	temp, done, err := o.TempPath(dest)
	if err != nil {
		return err
	}
	defer done()
	if err := os.Mkdir(temp, 0o700); err != nil {
		return err
	}
	t := track.Start(ctx, "copying files", 0)
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

// Merge moves the entries of the directory src into the existing directory dst.
// Directories with the same name are merged. Other entries replace existing ones.
func Merge(src, dst string) error {
	list, err := os.ReadDir(src)
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := move(filepath.Join(src, d.Name()), filepath.Join(dst, d.Name())); err != nil {
			return err
		}
	}
	return nil
}

// move renames src to dst. If both are directories, it merges src into dst.
func move(src, dst string) error {
	info, err := os.Lstat(src)
	if err != nil {
		return err
	}
	old, err := os.Lstat(dst)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !info.IsDir() && !old.IsDir():
		return rename(src, dst, info)
	case err != nil:
		return err
	case !info.IsDir() || !old.IsDir():
		// Upstream: the new entry replaces the existing one, even a directory with its
		// content.
		return errors.Join(os.RemoveAll(dst), rename(src, dst, info))
	}
	// Moving entries changes both directories, so both need write permission, whatever
	// their final modes.
	if err := os.Chmod(src, 0o700); err != nil {
		return err
	}
	if old.Mode().Perm()&0o700 != 0o700 {
		if err := os.Chmod(dst, old.Mode().Perm()|0o700); err != nil {
			return err
		}
	}
	if err := Merge(src, dst); err != nil {
		return err
	}
	return errors.Join(os.Chmod(dst, info.Mode()), os.Chtimes(dst, info.ModTime(), info.ModTime()))
}

// rename renames the file or directory src to dst. The parameter info describes src. A
// user other than root cannot move a read-only directory, so rename makes it writable for
// the move.
func rename(src, dst string, info fs.FileInfo) error {
	err := os.Rename(src, dst)
	if !errors.Is(err, fs.ErrPermission) || !info.IsDir() {
		return err
	}
	if err := os.Chmod(src, 0o700); err != nil {
		return err
	}
	if err := os.Rename(src, dst); err != nil {
		return err
	}
	return os.Chmod(dst, info.Mode())
}
