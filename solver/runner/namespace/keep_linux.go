package namespace

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"slipway/solver/tree"
)

// upperDir is the upper directory of an overlay after the processes of the container
// have ended, together with the trees from before and after these processes.
type upperDir struct {
	dir       string          // path of the directory
	base, out *tree.Node      // the tree before and after the processes
	upper     *tree.Node      // content of the directory
	opaque    map[string]bool // opaque directories by path
}

// saveLayer turns an upper directory into a layer directory by renaming it, so that the
// changes of a step need not be written a second time. Nor need the content of the files be
// copied to the store: the store finds the files in the layer directory through an index.
//
// If the layer is empty or already has a directory, or if the upper directory does not match
// what [Runner.layer] would write, saveLayer instead copies the content of the files to the
// store.
//
// The directory is renamed before the index is written, and the cache record is written last.
// If the builder is killed before it writes the record, no record refers to the directory,
// and the step runs again.
func (r *Runner) saveLayer(ctx context.Context, w *upperDir) error {
	want, err := r.overlayOf(w.base, w.out)
	if err != nil {
		return err
	}
	dir := r.layerDir(tree.Layer{Lower: w.base, Upper: w.out}.Ref())
	fits := false
	if _, statErr := os.Lstat(dir); statErr != nil && want != nil && !want.IsEmpty() {
		if fits, err = w.fits(w.base, w.upper, want, ""); err != nil {
			return err
		}
	}
	if !fits {
		return r.storeFiles(ctx, w.dir, w.upper, nil)
	}
	found, err := r.locations(want)
	if err != nil {
		return err
	}
	if err := r.storeFiles(ctx, w.dir, w.upper, found); err != nil {
		return err
	}
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return err
	}
	if err := errors.Join(w.trim(root, w.upper, want, ""), root.Close()); err != nil {
		return err
	}
	err = os.Rename(w.dir, dir)
	if errors.Is(err, fs.ErrExist) { // another build has written the layer
		return r.storeFiles(ctx, w.dir, want, nil)
	}
	if err != nil || len(found) == 0 {
		return err
	}
	return r.store.Locate(dir, found)
}

// fits reports whether a directory in the upper directory of an overlay can become the same
// directory in the layer. The parameters base, upper and layer are the nodes of this
// directory in the lower tree, in the upper directory and in the layer; base may be nil. The
// parameter at is the path of the directory.
//
// The directory upper must contain everything in layer. If base is a directory, upper must
// not be opaque. Further entries of upper, such as mount points, are allowed, because trim
// removes them.
func (w *upperDir) fits(base, upper, layer *tree.Node, at string) (bool, error) {
	m := upper.Meta()
	m.ModTime = layer.Meta().ModTime
	if !m.Equal(layer.Meta()) || w.opaque[at] && base != nil && base.Kind() == tree.Dir {
		return false, nil
	}
	entries, err := layer.Entries()
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		n, err := upper.Child(e.Name)
		switch {
		case err != nil || n == nil || n.Kind() != e.Node.Kind():
			return false, err
		case n.Kind() != tree.Dir:
			if !n.Same(e.Node) {
				return false, nil
			}
			continue
		}
		below, err := base.Child(e.Name)
		if err != nil {
			return false, err
		}
		if fits, err := w.fits(below, n, e.Node, path.Join(at, e.Name)); !fits {
			return false, err
		}
	}
	return true, nil
}

// trim changes a directory in the upper directory so that it matches the layer. It removes
// the entries that the layer does not contain, and sets the times of directories to their
// times in the layer. The parameter dir is the open directory, have is its node in the upper
// directory, want is its node in the layer, and at is its path. trim also removes opaque
// marks, which the kernel sets on new directories, because the marks could hide entries of
// another lower tree.
//
// The step has ended, but it may have passed an open directory to a process of another step,
// which can replace directories with links. trim therefore uses [os.Root] instead of paths,
// so that links do not lead out of the upper directory.
func (w *upperDir) trim(dir *os.Root, have, want *tree.Node, at string) error {
	if w.opaque[at] {
		if err := removeOpaque(dir); err != nil {
			return err
		}
	}
	entries, err := have.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		n, err := want.Child(e.Name)
		switch {
		case err != nil:
		case n == nil:
			err = dir.RemoveAll(e.Name)
		case n.Kind() == tree.Dir:
			var sub *os.Root
			if sub, err = dir.OpenRoot(e.Name); err == nil {
				err = errors.Join(w.trim(sub, e.Node, n, path.Join(at, e.Name)), sub.Close())
			}
		}
		if err != nil {
			return err
		}
	}
	t := want.Meta().ModTime
	return dir.Chtimes(".", t, t)
}

// removeOpaque removes the attributes that mark dir as an opaque directory of an
// overlay.
func removeOpaque(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	for _, name := range []string{opaqueRoot, opaqueUser} {
		if err := unix.Fremovexattr(int(f.Fd()), name); err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.EPERM) {
			return &fs.PathError{Op: "remove attribute " + name, Path: f.Name(), Err: err}
		}
	}
	return nil
}
