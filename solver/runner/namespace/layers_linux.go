package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/solver/runner"
	"slipway/solver/track"
	"slipway/solver/tree"
)

// These attributes mark an opaque directory of an overlay, which hides the lower
// directories. The kernel uses the user attribute in user namespaces. Removed files are
// marked differently, by 0/0 character devices (whiteouts).
//
// See
// https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories.
const (
	opaqueRoot = "trusted.overlay.opaque"
	opaqueUser = "user.overlay.opaque"
)

// lowerDirs returns the lower directories for the overlay of the mount m, the topmost one
// first. If a layer directory does not exist yet, lowerDirs writes it.
func (r *Runner) lowerDirs(ctx context.Context, m *runner.Mount) ([]string, error) {
	layers, err := r.merged.layers(m.Layers)
	if err != nil {
		return nil, err
	}
	dirs, err := r.layerDirs(ctx, layers)
	if err != nil {
		return nil, err
	}
	slices.Reverse(dirs)
	dirs = unique(dirs)
	if len(dirs) == 0 {
		empty := filepath.Join(r.layers, "empty")
		dirs = append(dirs, empty)
		if err := os.MkdirAll(empty, 0o755); err != nil {
			return nil, err
		}
	}
	return dirs, nil
}

// unique returns the lower directories of an overlay, the topmost first, each once. The kernel
// rejects an overlay with equal lower directories (ELOOP), which merge operations can produce. The
// topmost of equal directories hides everything in the others.
func unique(dirs []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(dirs, func(dir string) bool {
		again := seen[dir]
		seen[dir] = true
		return again
	})
}

// layerDir returns the path of the directory for the layer l. The directory's name is only 24
// characters long, because the kernel limits the length of mount options. It is derived from
// the IDs of the layer's trees.
func (r *Runner) layerDir(l tree.LayerRef) string {
	return filepath.Join(r.layers, digest.FromString(string(l.Lower.ID()) + " " + string(l.Upper.ID())).Encoded()[:24])
}

// layer returns the path of the directory for a layer. If the directory does not exist, layer
// first writes the changes of the layer to it, in the format of overlays. If the layer
// contains no changes, the path is "".
func (r *Runner) layer(ctx context.Context, ref tree.LayerRef) (string, error) {
	if ref.Lower.ID() == ref.Upper.ID() {
		return "", nil
	}
	dir := r.layerDir(ref)
	unlock, err := r.lock(ctx, dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	l, err := ref.Load()
	if err != nil {
		return "", err
	}
	delta, err := r.overlayOf(l.Lower, l.Upper)
	if delta == nil || delta.IsEmpty() {
		return "", err
	}
	if err != nil {
		return "", err
	}
	found, err := r.locations(delta)
	if err != nil {
		return "", err
	}
	defer track.Start(ctx, string(ref.Upper.ID()), 0).Done()
	w, err := r.store.NewLayer(dir, found)
	if err != nil {
		return "", err
	}
	if err := w.Write(ctx, delta, tree.HostOptions{Owners: true, OneOwner: r.oneOwner}); err != nil {
		return "", errors.Join(fmt.Errorf("write layer: %w", err), w.Abort())
	}
	return dir, w.Commit()
}

// overlayOf returns the difference between two trees in the format of overlays, with 0/0
// character devices (whiteouts) in place of removed files. If the trees are equal, it returns
// nil. It returns the errors of [tree.Node.Entries].
//
// In a user namespace, processes can neither create devices nor open devices of other users.
// A result in a user namespace therefore contains no devices of the image, but still hides
// the lower files that these devices replace.
func (r *Runner) overlayOf(lower, upper *tree.Node) (*tree.Node, error) {
	switch {
	case lower.Same(upper):
		return nil, nil
	case upper == nil, lower != nil && r.omits(upper):
		return tree.NewDevice(tree.CharDevice, tree.Meta{}, tree.Device{}), nil
	case lower == nil || lower.Kind() != tree.Dir || upper.Kind() != tree.Dir:
		return r.withoutDevices(upper)
	}
	old, err := lower.Entries()
	if err != nil {
		return nil, err
	}
	now, err := upper.Entries()
	if err != nil {
		return nil, err
	}
	var entries []tree.Entry
	for _, e := range tree.Pairs(old, now) {
		if e.Lower == nil && r.omits(e.Upper) {
			continue
		}
		n, err := r.overlayOf(e.Lower, e.Upper)
		if err != nil {
			return nil, err
		}
		if n != nil {
			entries = append(entries, tree.Entry{Name: e.Name, Node: n})
		}
	}
	return newDir(upper.Meta(), entries), nil
}

// omits reports whether n is a device that layer directories must leave out because
// this process cannot create devices.
func (r *Runner) omits(n *tree.Node) bool {
	return r.noDevices && (n.Kind() == tree.CharDevice || n.Kind() == tree.BlockDevice)
}

// withoutDevices returns a copy of a tree without devices if this process cannot create
// devices. If this process can create devices, withoutDevices returns the tree unchanged.
func (r *Runner) withoutDevices(n *tree.Node) (*tree.Node, error) {
	if !r.noDevices || n.Kind() != tree.Dir {
		return n, nil
	}
	all, err := n.Entries()
	if err != nil {
		return nil, err
	}
	var entries []tree.Entry
	same := true
	for _, e := range all {
		child, err := r.withoutDevices(e.Node)
		if err != nil {
			return nil, err
		}
		same = same && child == e.Node && !r.omits(e.Node)
		if !r.omits(e.Node) {
			entries = append(entries, tree.Entry{Name: e.Name, Node: child})
		}
	}
	if same {
		return n, nil
	}
	return newDir(n.Meta(), entries), nil
}

// newDir returns a directory with the given metadata and entries. The entries must come
// from other directories, so that their names are valid. newDir panics if a name is
// invalid.
func newDir(m tree.Meta, entries []tree.Entry) *tree.Node {
	n, err := tree.NewDir(m, entries)
	if err != nil {
		panic("namespace: invalid entries from a valid directory: " + err.Error())
	}
	return n
}

// readUpper reads the upper directory of an overlay. The parameter upper is this directory,
// and base is the tree below the overlay. The result contains base, the tree read from upper,
// and the tree that processes saw in the overlay. The last one lacks the paths in stubs that
// are unused mount points. The content of files is put into the store s. If s is nil, files
// are only hashed.
func (r *Runner) readUpper(ctx context.Context, base *tree.Node, upper string, stubs map[string]bool, s *tree.Store) (*upperDir, error) {
	made, err := os.Stat(filepath.Dir(upper))
	if err != nil {
		return nil, err
	}
	o := upperReader{opaque: map[string]bool{}, stubs: stubs, created: made.ModTime()}
	meta := r.metaOver(base)
	reader := tree.HostReader{Store: s, Origin: string(base.ID()), Meta: func(f tree.HostFile) (tree.Meta, error) {
		if f.Opaque {
			o.opaque[f.Path] = true
		}
		return meta(f)
	}}
	delta, err := reader.ReadDir(ctx, upper)
	if err != nil {
		return nil, err
	}
	out, err := o.apply(base, delta, "")
	return &upperDir{dir: upper, base: base, upper: delta, opaque: o.opaque, out: out}, err
}

// metaOver returns a function for [tree.HostReader.Meta]. If the runner can only create
// files that belong to root, the function restores the original owners: it copies the
// owner of each file from the file with the same path in base, the tree before the
// step.
func (r *Runner) metaOver(base *tree.Node) func(tree.HostFile) (tree.Meta, error) {
	return func(f tree.HostFile) (tree.Meta, error) {
		if !r.oneOwner {
			return f.Meta, nil
		}
		old, err := base.Get(f.Path)
		if old != nil {
			// On disk all files belong to root. In the tree they keep their owners.
			f.Meta.UID, f.Meta.GID = old.Meta().UID, old.Meta().GID
		}
		return f.Meta, err
	}
}

// upperReader holds the state of [Runner.readUpper] while it applies an upper directory
// to the tree below it.
type upperReader struct {
	opaque  map[string]bool // opaque directories by path
	stubs   map[string]bool // see container.stubs
	created time.Time       // creation time of the upper directory
}

// apply applies the changes in a directory of an overlay's upper directory to the same
// directory before the step. It returns the resulting directory. The parameter upper is the
// directory with the changes, base is the directory before the step, and at is the path of
// both.
func (o *upperReader) apply(base, upper *tree.Node, at string) (*tree.Node, error) {
	entries := map[string]*tree.Node{}
	if base != nil && !o.opaque[at] {
		old, err := base.Entries()
		if err != nil {
			return nil, err
		}
		for _, e := range old {
			entries[e.Name] = e.Node
		}
	}
	changed, err := upper.Entries()
	if err != nil {
		return nil, err
	}
	for _, e := range changed {
		name := path.Join(at, e.Name)
		switch {
		case e.Node.IsWhiteout():
			delete(entries, e.Name)
		case e.Node.Kind() == tree.Dir:
			n, err := o.apply(entries[e.Name], e.Node, name)
			if err != nil {
				return nil, err
			}
			if o.isStub(name, n) {
				delete(entries, e.Name)
			} else {
				entries[e.Name] = n
			}
		case o.isStub(name, e.Node):
			delete(entries, e.Name)
		default:
			// The upper directory may contain an unchanged file, which a process opened
			// for writing or linked. The overlay has copied the file, so it is no longer
			// a hard link of its other names in the base.
			entries[e.Name] = e.Node
		}
	}
	var list []tree.Entry
	for name, n := range entries {
		list = append(list, tree.Entry{Name: name, Node: n})
	}
	return o.restoreTime(base, newDir(upper.Meta(), list), at), nil
}

// isStub reports whether n, the node at the given path, is an unused mount point: n is empty,
// and the path exists only because it was a mount point.
func (o *upperReader) isStub(name string, n *tree.Node) bool {
	return o.stubs[name] && (n.IsEmpty() || n.Kind() == tree.File && n.Blob().Size == 0)
}

// restoreTime returns either n or base as the directory to use in the result. The parameter n
// is the directory as it was read after the step, base is the same directory before the step,
// and at is the path of both. restoreTime returns base if the two differ only in a
// modification time that no process has set.
//
// The time of a directory changes when mount points are created and removed in it. The time
// of the root always changes, because its upper directory is new. If the time in n is before
// the creation of the upper directory, a process must have set it, so restoreTime returns n.
func (o *upperReader) restoreTime(base, n *tree.Node, at string) *tree.Node {
	if base != nil && base.Kind() == tree.Dir && (at == "" || hasStub(o.stubs, at)) && equalExceptTime(base, n) && !n.Meta().ModTime.Before(o.created) {
		return base
	}
	return n
}

// hasStub reports whether the directory dir contains one of the paths in stubs, at any
// depth. These paths exist only as mount points.
func hasStub(stubs map[string]bool, dir string) bool {
	for name := range stubs {
		if strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}

// equalExceptTime reports whether two directories differ at most in their modification
// time.
func equalExceptTime(a, b *tree.Node) bool {
	m := b.Meta()
	m.ModTime = a.Meta().ModTime
	return a.Same(b.WithMeta(m))
}
