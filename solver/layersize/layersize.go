// Package layersize measures the files of a layer, and finds the paths that make it large.
package layersize

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"slipway/solver/tree"
)

// Size describes the regular files of a layer. A file with several hard links counts once.
type Size struct {
	Files     int    // number of files that the layer adds or changes
	Bytes     int64  // size of these files
	Unchanged int64  // size of those whose content is the same in the layers below: only metadata differs
	Hidden    int64  // size of files in the layers below that the layer replaces or removes
	Largest   []Path // disjoint paths with most of the bytes, largest first
}

// Path is a file or a directory in a layer.
type Path struct {
	Path  string // without a leading slash
	Files int    // number of files that the layer adds or changes there
	Bytes int64  // size of these files
}

const (
	// maxPaths is the maximum number of paths in Size.Largest.
	maxPaths = 5
	// minShare is the part of the bytes of the layer, as 1/minShare, that a path in Size.Largest has at
	// least.
	minShare = 20
)

// Of measures a layer. It returns the errors of [tree.Diff].
func Of(l tree.Layer) (*Size, error) {
	m := &meter{root: &dir{}, seen: map[string]bool{}}
	if err := tree.Diff(l.Lower, l.Upper, m.change); err != nil {
		return nil, err
	}
	m.size.Files, m.size.Bytes = m.root.files, m.root.bytes
	m.size.Largest = m.root.largest()
	return &m.size, nil
}

// meter adds up the changes of a layer.
type meter struct {
	size Size
	root *dir
	seen map[string]bool // inodes of files with hard links that were counted
}

// dir is a directory with changes, or a file without entries.
type dir struct {
	name    string
	path    string
	files   int
	bytes   int64
	entries []*dir // in the order of their names
}

// change counts a change. Removed directories count with all of their files.
func (m *meter) change(c tree.Change) error {
	isFile := c.Node != nil && c.Node.Kind() == tree.File
	if c.Old != nil {
		switch kept := isFile && c.Old.Kind() == tree.File && c.Old.Blob() == c.Node.Blob(); {
		case kept:
			m.size.Unchanged += c.Node.Blob().Size
			m.size.Hidden += c.Node.Blob().Size
		case c.Node == nil || c.Node.Kind() != tree.Dir || c.Old.Kind() != tree.Dir:
			if err := m.hide(c.Old); err != nil {
				return err
			}
		}
	}
	if !isFile {
		return nil
	}
	if inode := c.Node.Inode(); inode != "" {
		if m.seen[inode] {
			return nil
		}
		m.seen[inode] = true
	}
	m.root.add(c.Path, c.Node.Blob().Size)
	return nil
}

// hide counts a file or a directory of a lower layer.
func (m *meter) hide(n *tree.Node) error {
	if n.Kind() == tree.File {
		m.size.Hidden += n.Blob().Size
	}
	if n.Kind() != tree.Dir {
		return nil
	}
	return n.EachFile(nil, func(_ tree.Location, f *tree.Node) { m.size.Hidden += f.Blob().Size })
}

// add counts a file in d and in the directories on its path. Paths must come in the order of
// [tree.Diff], so that the last entry of a directory is the only one that can be the same again.
func (d *dir) add(name string, bytes int64) {
	d.files++
	d.bytes += bytes
	if name == "" {
		return
	}
	first, rest, _ := strings.Cut(name, "/")
	if n := len(d.entries); n == 0 || d.entries[n-1].name != first {
		d.entries = append(d.entries, &dir{name: first, path: path.Join(d.path, first)})
	}
	d.entries[len(d.entries)-1].add(rest, bytes)
}

// largest returns at most maxPaths paths below d. It begins with d, and replaces a directory by its
// large entries as long as these have most of its bytes.
func (d *dir) largest() []Path {
	list := []*dir{d}
	for i := 0; i < len(list); {
		large := list[i].large(d.bytes / minShare)
		if len(large) == 0 || len(list)-1+len(large) > maxPaths {
			i++
			continue
		}
		list = slices.Replace(list, i, i+1, large...)
	}
	paths := []Path{}
	slices.SortStableFunc(list, func(a, b *dir) int { return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.path, b.path)) })
	for _, x := range list {
		if x.bytes > 0 {
			paths = append(paths, Path{cmp.Or(x.path, "."), x.files, x.bytes})
		}
	}
	return paths
}

// large returns the entries of d that have at least the given number of bytes. If they have less than
// three quarters of the bytes of d, it returns nil.
func (d *dir) large(least int64) []*dir {
	var list []*dir
	var sum int64
	for _, e := range d.entries {
		if e.bytes >= max(least, 1) {
			list = append(list, e)
			sum += e.bytes
		}
	}
	if sum < d.bytes/4*3 {
		return nil
	}
	return list
}
