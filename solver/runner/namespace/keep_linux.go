package namespace

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"slipway/solver/tree"
)

// written holds the changes of a container's processes to a tree.
type written struct {
	dir       string // upper directory of the overlay
	base, out *tree.Node
	upper     *tree.Node // content of dir
	opaque    map[string]bool
}

// keep turns an upper directory into the layer directory for later steps, so that the
// changes of a step are not written again. The content must equal the output of
// [Runner.layer], for any lower tree. Otherwise keep leaves the directory unchanged.
func (r *Runner) keep(w *written) error {
	want := r.overlayOf(w.base, w.out)
	dir := r.layerDir(tree.Layer{Lower: w.base, Upper: w.out})
	if _, err := os.Lstat(dir); err == nil || want == nil || len(want.Entries()) == 0 || !w.fits(w.upper, want, "") {
		return nil
	}
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return err
	}
	if err := errors.Join(w.trim(root, w.upper, want, ""), root.Close()); err != nil {
		return err
	}
	err = os.Rename(w.dir, dir)
	if errors.Is(err, fs.ErrExist) {
		return nil // another build was faster
	}
	return err
}

// fits reports whether a directory contains everything in a layer, and whether its
// opaque directories hide nothing of the base. The directory may contain additional
// entries that were mount points.
func (w *written) fits(have, want *tree.Node, at string) bool {
	m := have.Meta()
	m.ModTime = want.Meta().ModTime
	if !m.Equal(want.Meta()) {
		return false
	}
	if below := w.base.Get(at); w.opaque[at] && below != nil && below.Kind() == tree.Dir {
		return false
	}
	for _, e := range want.Entries() {
		n := have.Child(e.Name)
		switch {
		case n == nil || n.Kind() != e.Node.Kind():
			return false
		case n.Kind() == tree.Dir && !w.fits(n, e.Node, path.Join(at, e.Name)):
			return false
		case n.Kind() != tree.Dir && !n.Same(e.Node):
			return false
		}
	}
	return true
}

// trim removes entries that are not part of the layer, and resets the times of the
// directories it changes. It also removes opaque marks, which the kernel sets on new
// directories. They could hide entries of other lower trees.
//
// The step has ended, but it may have passed an open directory to a process of another
// step, which can replace directories with links. trim therefore does not use paths:
// links do not lead out of dir.
func (w *written) trim(dir *os.Root, have, want *tree.Node, at string) error {
	if w.opaque[at] {
		if err := unmark(dir); err != nil {
			return err
		}
	}
	for _, e := range have.Entries() {
		var err error
		switch n := want.Child(e.Name); {
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

// unmark removes the mark of an opaque directory.
func unmark(dir *os.Root) error {
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
