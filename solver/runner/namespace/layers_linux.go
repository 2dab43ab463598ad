package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// maxLowers is the maximum number of lower directories of an overlay. The kernel allows
// 500, but each one slows down lookups.
const maxLowers = 100

// Overlays have their own whiteouts: a device 0/0 for a removed file, and an attribute
// for an opaque directory.
//
// See https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories.
const (
	opaqueRoot = "trusted.overlay.opaque"
	opaqueUser = "user.overlay.opaque"
)

// fewer merges layers if there are too many for an overlay. The result makes the same
// tree. All complete hundreds of layers become one layer, so that the merged layer does
// not change with each step.
func fewer(layers []tree.Layer) []tree.Layer {
	n := len(layers) - len(layers)%maxLowers
	if n == 0 {
		return layers
	}
	base := tree.Empty()
	for _, l := range layers[:n] {
		base = tree.Apply(base, l.Lower, l.Upper)
	}
	return append([]tree.Layer{{Lower: tree.Empty(), Upper: base}}, layers[n:]...)
}

// lowers returns the directories of a tree's layers, the topmost first.
func (r *Runner) lowers(ctx context.Context, m *runner.Mount) ([]string, error) {
	var dirs []string
	for _, l := range fewer(m.Layers) {
		delta := r.overlayOf(l.Lower, l.Upper)
		if delta == nil || len(delta.Entries()) == 0 {
			continue
		}
		dir, err := r.layer(ctx, l, delta)
		if err != nil {
			return nil, err
		}
		dirs = append([]string{dir}, dirs...)
	}
	if len(dirs) == 0 {
		empty := filepath.Join(r.layers, "empty")
		dirs = append(dirs, empty)
		if err := os.MkdirAll(empty, 0o755); err != nil {
			return nil, err
		}
	}
	return dirs, nil
}

// layerDir returns the directory of a layer. Its name is short, because the kernel
// limits the length of mount options.
func (r *Runner) layerDir(l tree.Layer) string {
	return filepath.Join(r.layers, digest.FromString(string(l.Lower.ID()) + " " + string(l.Upper.ID())).Encoded()[:24])
}

// layer returns the directory of a layer, and writes the directory if it does not
// exist.
func (r *Runner) layer(ctx context.Context, l tree.Layer, delta *tree.Node) (string, error) {
	dir := r.layerDir(l)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	tmp, err := os.MkdirTemp(filepath.Join(r.dir, "run"), "layer-")
	if err != nil {
		return "", err
	}
	if err := tree.WriteDir(ctx, tmp, delta, r.store, tree.HostOptions{Owners: true, OneOwner: r.oneOwner}); err != nil {
		return "", errors.Join(fmt.Errorf("write layer: %w", err), tree.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, dir); err != nil {
		// Another build was faster.
		if _, there := os.Stat(dir); there == nil {
			return dir, tree.RemoveAll(tmp)
		}
		return "", err
	}
	return dir, nil
}

// overlayOf returns the changes of a layer as a tree in the format of overlays, or nil
// if it has no changes.
//
// In a user namespace, processes can neither create devices nor open devices of other
// users. Devices are left out, but they still hide lower files.
func (r *Runner) overlayOf(lower, upper *tree.Node) *tree.Node {
	switch {
	case lower.Same(upper):
		return nil
	case upper == nil, lower != nil && r.omits(upper):
		return tree.NewDevice(tree.CharDevice, tree.Meta{}, tree.Device{})
	case lower == nil || lower.Kind() != tree.Dir || upper.Kind() != tree.Dir:
		return r.withoutDevices(upper)
	}
	var entries []tree.Entry
	for _, e := range lower.Entries() {
		if n := r.overlayOf(e.Node, upper.Child(e.Name)); n != nil {
			entries = append(entries, tree.Entry{Name: e.Name, Node: n})
		}
	}
	for _, e := range upper.Entries() {
		if lower.Child(e.Name) == nil && !r.omits(e.Node) {
			entries = append(entries, tree.Entry{Name: e.Name, Node: r.withoutDevices(e.Node)})
		}
	}
	return newDir(upper.Meta(), entries)
}

// omits reports whether layer directories leave out a node.
func (r *Runner) omits(n *tree.Node) bool {
	return r.noDevices && (n.Kind() == tree.CharDevice || n.Kind() == tree.BlockDevice)
}

// withoutDevices returns a node without the nodes that layer directories leave out.
func (r *Runner) withoutDevices(n *tree.Node) *tree.Node {
	if !r.noDevices || n.Kind() != tree.Dir {
		return n
	}
	var entries []tree.Entry
	same := true
	for _, e := range n.Entries() {
		kept := r.withoutDevices(e.Node)
		same = same && kept == e.Node && !r.omits(e.Node)
		if !r.omits(e.Node) {
			entries = append(entries, tree.Entry{Name: e.Name, Node: kept})
		}
	}
	if same {
		return n
	}
	return newDir(n.Meta(), entries)
}

// newDir returns a directory with entries of valid directories.
func newDir(m tree.Meta, entries []tree.Entry) *tree.Node {
	n, err := tree.NewDir(m, entries)
	if err != nil {
		panic("namespace: names of directories are those of none: " + err.Error())
	}
	return n
}

// changed returns base with the changes in the upper directory of an overlay. Unused
// mount points are not part of the result.
func (r *Runner) changed(ctx context.Context, base *tree.Node, upper string, stubs map[string]bool) (*written, error) {
	made, err := os.Stat(filepath.Dir(upper))
	if err != nil {
		return nil, err
	}
	o := overlaid{opaque: map[string]bool{}, stubs: stubs, began: made.ModTime()}
	meta := r.metaOver(base)
	reader := tree.HostReader{Store: r.store, Origin: string(base.ID()), Meta: func(f tree.HostFile) tree.Meta {
		if f.Opaque {
			o.opaque[f.Path] = true
		}
		return meta(f)
	}}
	delta, err := reader.ReadDir(ctx, upper)
	if err != nil {
		return nil, err
	}
	return &written{dir: upper, base: base, upper: delta, opaque: o.opaque, out: o.apply(base, delta, "")}, nil
}

// metaOver returns a function for [tree.HostReader.Meta] that restores the owners of
// files in base.
func (r *Runner) metaOver(base *tree.Node) func(tree.HostFile) tree.Meta {
	return func(f tree.HostFile) tree.Meta {
		if old := base.Get(f.Path); r.oneOwner && old != nil {
			// On disk all files belong to root. In the tree they keep their owners.
			f.Meta.UID, f.Meta.GID = old.Meta().UID, old.Meta().GID
		}
		return f.Meta
	}
}

// overlaid is the state of reading an upper directory.
type overlaid struct {
	opaque map[string]bool // opaque directories
	stubs  map[string]bool
	began  time.Time // creation time of the upper directory
}

// apply applies a part of the upper directory to the same directory of the base.
func (o *overlaid) apply(base, upper *tree.Node, at string) *tree.Node {
	entries := map[string]*tree.Node{}
	if base != nil && base.Kind() == tree.Dir && !o.opaque[at] {
		for _, e := range base.Entries() {
			entries[e.Name] = e.Node
		}
	}
	for _, e := range upper.Entries() {
		name := path.Join(at, e.Name)
		switch {
		case e.Node.IsWhiteout():
			delete(entries, e.Name)
		case e.Node.Kind() == tree.Dir:
			n := o.apply(entries[e.Name], e.Node, name)
			if o.isStub(name, n) {
				delete(entries, e.Name)
			} else {
				entries[e.Name] = n
			}
		case o.isStub(name, e.Node):
			delete(entries, e.Name)
		default:
			// An unchanged file is in the upper directory if a process opened it for
			// writing or linked it. The copy that the overlay made is not a hard link
			// of the file's other names.
			entries[e.Name] = e.Node
		}
	}
	var list []tree.Entry
	for name, n := range entries {
		list = append(list, tree.Entry{Name: name, Node: n})
	}
	return o.timed(base, newDir(upper.Meta(), list), at)
}

// isStub reports whether a node exists only as a mount point.
func (o *overlaid) isStub(name string, n *tree.Node) bool {
	return o.stubs[name] && (n.Kind() == tree.Dir && len(n.Entries()) == 0 || n.Kind() == tree.File && n.Blob().Size == 0)
}

// timed returns a directory with its time. A directory in which only mount points came
// and went is returned unchanged. So is the root, because its upper directory is always
// new. An earlier time was set by the process and is kept.
func (o *overlaid) timed(base, n *tree.Node, at string) *tree.Node {
	if base != nil && base.Kind() == tree.Dir && (at == "" || hasStub(o.stubs, at)) && sameButTime(base, n) && !n.Meta().ModTime.Before(o.began) {
		return base
	}
	return n
}

func hasStub(stubs map[string]bool, dir string) bool {
	for name := range stubs {
		if strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}

func sameButTime(a, b *tree.Node) bool {
	m := b.Meta()
	m.ModTime = a.Meta().ModTime
	return a.Same(b.WithMeta(m))
}
