package export

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"slipway/solver/track"
	"slipway/solver/tree"
)

// WriteDir writes the file tree n into the directory dest. The contents of the files are in
// the store s. WriteDir creates dest if needed. If o.Delete is not set, it does not touch other
// files in dest. If o.Delete is set, it removes them after all new files are complete. The current
// user becomes the owner of the files.
//
// WriteDir first writes everything into a hidden directory inside dest, so that a failure
// leaves no incomplete files. It opens and changes nothing outside dest, even if another
// process replaces directories in dest by symbolic links.
//
// If WriteDir creates dest, only the owner of dest has access to it, because the tree may
// contain setuid programs and devices.
//
// Upstream: same as buildctl.
func (o Outputs) WriteDir(ctx context.Context, dest string, n *tree.Node, s *tree.Store) (err error) {
	_, missing := os.Stat(dest)
	if missing != nil {
		if err := errors.Join(os.MkdirAll(filepath.Dir(dest), 0o755), os.MkdirAll(dest, 0o700)); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				os.Remove(dest) // fails unless it is empty
			}
		}()
	}
	root, err := os.OpenRoot(dest)
	if err != nil {
		return err
	}
	defer root.Close()
	temp, done, err := o.TempPath(dest)
	if err != nil {
		return err
	}
	defer done()
	temp = filepath.Base(temp)
	if err = root.Mkdir(temp, 0o700); err == nil {
		err = o.replace(ctx, root, temp, n, s)
	}
	if err == nil && missing != nil {
		err = root.Chtimes(".", n.Meta().ModTime, n.Meta().ModTime)
	}
	return errors.Join(err, tree.RemoveAll(filepath.Join(dest, temp)))
}

// replace writes the file tree n into the root of dest. It uses the directory temp for incomplete
// files and, if o.Delete is set, for the files that it removes.
func (o Outputs) replace(ctx context.Context, dest *os.Root, temp string, n *tree.Node, s *tree.Store) error {
	made := path.Join(temp, "new")
	if err := o.writeNew(ctx, dest, made, n, s); err != nil {
		return err
	}
	if o.Delete {
		t := trash{root: dest, dir: path.Join(temp, "old"), temp: temp}
		if err := errors.Join(dest.Mkdir(t.dir, 0o700), t.others(".", n)); err != nil {
			return err
		}
	}
	return merge(dest, made, ".")
}

// trash is a directory to which files that must be removed are moved. Moving a directory is
// possible even if the files in it cannot be removed one by one.
type trash struct {
	root  *os.Root
	dir   string // path of the trash relative to root
	temp  string // name in root that is never moved
	moved int    // number of files in the trash
}

// others moves the files in the directory name that the directory n lacks. The path name is relative
// to the root.
func (t *trash) others(name string, n *tree.Node) error {
	list, err := fs.ReadDir(t.root.FS(), name)
	if err != nil {
		return err
	}
	for _, d := range list {
		child, err := n.Child(d.Name())
		at := path.Join(name, d.Name())
		switch {
		case err != nil || at == t.temp:
		case child == nil:
			err = t.move(at)
		case child.Kind() == tree.Dir && d.IsDir():
			err = errors.Join(makeWritable(t.root, at), t.others(at, child))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// move moves a file or directory into the trash.
func (t *trash) move(name string) error {
	info, err := t.root.Lstat(name)
	if err != nil {
		return err
	}
	t.moved++
	return rename(t.root, name, path.Join(t.dir, strconv.Itoa(t.moved)), info)
}

// makeWritable gives the owner of a directory all permissions. The path name is relative to root.
func makeWritable(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if err != nil || info.Mode().Perm()&0o700 == 0o700 {
		return err
	}
	return root.Chmod(name, info.Mode().Perm()|0o700)
}

// writeNew creates a directory in root and writes the file tree n into it. The parameter name
// is the name of the new directory.
func (o Outputs) writeNew(ctx context.Context, root *os.Root, name string, n *tree.Node, s *tree.Store) error {
	if err := root.Mkdir(name, 0o700); err != nil {
		return err
	}
	dir, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	t := track.Start(ctx, "copying files", 0)
	defer t.Done()
	err = tree.WriteRoot(ctx, dir, n, s, tree.HostOptions{Written: t.Add, Refused: o.Refused})
	return errors.Join(err, dir.Close())
}

// Merge moves the entries of the directory temp to the directory dest, which contains temp.
// Directories with the same name are merged. Other entries replace existing ones. Merge
// changes nothing outside dest, even if another process replaces directories in dest by
// symbolic links.
func Merge(temp, dest string) error {
	root, err := os.OpenRoot(dest)
	if err != nil {
		return err
	}
	return errors.Join(merge(root, filepath.Base(temp), "."), root.Close())
}

// merge moves the entries of the directory src into the directory dst. Both paths are relative
// to root.
func merge(root *os.Root, src, dst string) error {
	list, err := fs.ReadDir(root.FS(), src)
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := move(root, path.Join(src, d.Name()), path.Join(dst, d.Name())); err != nil {
			return err
		}
	}
	return nil
}

// move renames src to dst. Both paths are relative to root. If both are directories, move
// merges src into dst.
func move(root *os.Root, src, dst string) error {
	info, err := root.Lstat(src)
	if err != nil {
		return err
	}
	old, err := root.Lstat(dst)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !info.IsDir() && !old.IsDir():
		return rename(root, src, dst, info)
	case err != nil:
		return err
	case !info.IsDir() || !old.IsDir():
		// Upstream: the new entry replaces the existing one, even a directory with its
		// content.
		return errors.Join(root.RemoveAll(dst), rename(root, src, dst, info))
	}
	// Moving entries changes both directories, so both need write permission, whatever
	// their final modes.
	if err := root.Chmod(src, 0o700); err != nil {
		return err
	}
	if err := makeWritable(root, dst); err != nil {
		return err
	}
	if err := merge(root, src, dst); err != nil {
		return err
	}
	return errors.Join(root.Chmod(dst, info.Mode()), root.Chtimes(dst, info.ModTime(), info.ModTime()))
}

// rename renames the file or directory src to dst. The parameter info describes src. A
// user other than root cannot move a read-only directory, so rename makes it writable for
// the move.
func rename(root *os.Root, src, dst string, info fs.FileInfo) error {
	err := root.Rename(src, dst)
	if !errors.Is(err, fs.ErrPermission) || !info.IsDir() {
		return err
	}
	if err := root.Chmod(src, 0o700); err != nil {
		return err
	}
	if err := root.Rename(src, dst); err != nil {
		return err
	}
	return root.Chmod(dst, info.Mode())
}
