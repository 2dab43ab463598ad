package namespace

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"slipway/solver/tree"
)

// written is what the processes of a container wrote over a tree.
type written struct {
	dir       string // upper directory of the overlay
	base, out *tree.Node
	upper     *tree.Node // the directory as it was read
	opaque    map[string]bool
}

// keep makes an upper directory the layer that later steps have below them, so
// that what a step wrote is not written again. It has to be what [Runner.layer]
// would write, for any tree below; if it is not, it is left as it is.
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

// fits tells whether a directory has all of a layer, and of directories that
// hide what is below them only those with nothing there to hide. It may have
// more: what was only there to mount something on.
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

// trim removes from a directory what is not part of the layer, and resets the
// times of the directories that this changes. The kernel marks new
// directories as hiding what is below them, which in other trees may be more.
//
// The step has ended, but it may have passed an open directory to a process of
// another step, which can replace directories with links. So nothing is done by a
// path: links do not lead out of dir.
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

// unmark removes the mark that a directory hides what is below it.
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
