package tree

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// These are names in layers. The name of a whiteout, a file that records that another file was
// deleted, starts with ".wh.". A file called ".wh..wh..opq" records that all files of its
// directory were deleted. The names of PAX records with extended attributes start with
// "SCHILY.xattr.".
//
// See https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts.
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
	xattrPAX = "SCHILY.xattr."
)

// ReadOptions configures [ReadLayer].
type ReadOptions struct {
	Limits Limits
	// Plain is set for archives that are not layers of images, such as the source of an ADD. In
	// such an archive, names like .wh.a have no special meaning.
	Plain bool
	// OnOverlay makes a device 0/0 an error. If OnOverlay is false, such a device deletes the
	// file at its path.
	OnOverlay bool
	// Now returns the modification time for directories that get new entries, and for
	// parent directories that the archive does not list. If Now is nil, directories keep
	// their times, and new parent directories get the zero time.
	Now func() time.Time
	// Origin identifies the archive and its destination, for example by the digest of the
	// operation that unpacks it. Archives with different origins never yield hard links of
	// each other, even if they are equal. Layers of images need no origin, because inodes
	// are also derived from the base tree.
	Origin string
	// Owner returns the metadata of a file, given the metadata in the archive. If Owner is
	// nil, the metadata in the archive is used.
	Owner func(Meta) Meta

	linkSteps int64 // maximum number of lookups through symbolic links; 0 means maxLinkSteps
}

// newLayerReader returns a reader that applies entries to base, which may be nil.
func newLayerReader(base *Node, opt ReadOptions) *layerReader {
	opt.linkSteps = cmp.Or(opt.linkSteps, maxLinkSteps)
	r := &layerReader{e: Edit(base), opt: opt, created: map[string]bool{}, createdParents: map[string]bool{}, links: map[string][]string{}}
	r.e.linkSteps = &r.opt.linkSteps
	r.origin = opt.Origin + "\x00" + string(r.e.Tree().ID())
	if opt.Now != nil {
		r.e.Touch(opt.Now)
	}
	return r
}

// apply changes the tree as the given entry of the layer requires, for example by adding a
// file. It returns an error if the entry is invalid or could not be read.
func (r *layerReader) apply(e layerEntry) error {
	if e.err != nil {
		return e.err
	}
	if err := r.entry(e); err != nil {
		return entryError(e.Header, err)
	}
	return nil
}

// tree returns the tree that results from all entries. Call it after the last entry has been
// applied.
func (r *layerReader) tree() (*Node, error) {
	err := r.setTimes()
	return r.e.Tree(), err
}

// quoted returns a name in quotes for an error message. It truncates names to 200
// bytes.
func quoted(name string) string {
	const limit = 200
	if len(name) > limit {
		return fmt.Sprintf("%q…", name[:limit])
	}
	return fmt.Sprintf("%q", name)
}

// layerReader applies the entries of one layer to a tree.
type layerReader struct {
	e              *Editor
	opt            ReadOptions
	created        map[string]bool // paths that this layer created; whiteouts do not remove them
	createdParents map[string]bool // parent directories of these paths
	times          []dirTime
	links          map[string][]string // names of files with several names, by inode

	origin string // part of each inode
	inodes int    // number of inodes created
}

// dirTime is the modification time of a directory that an archive lists.
type dirTime struct {
	name string
	at   time.Time
}

// setTimes sets the modification times of the directories that the archive lists. Call it
// after the last entry has been applied, because adding entries to a directory changes its
// time.
//
// Upstream: a directory is looked up by its name again. If a file has replaced it, the file
// gets the time of the directory. If the name no longer exists, reading the archive fails.
func (r *layerReader) setTimes() error {
	for _, d := range r.times {
		at, err := r.e.Resolve(d.name, true)
		if err != nil {
			return err
		}
		kind, m, err := r.e.Stat(at)
		if err != nil {
			return err
		}
		if kind == 0 {
			return fmt.Errorf("the archive lists the directory %s, and later replaces it or what it is in", quoted("/"+d.name))
		}
		m.ModTime = d.at
		if err := r.e.SetMeta(at, m); err != nil {
			return err
		}
	}
	return nil
}

// entry changes the tree as an archive entry requires, for example by adding a file. The entry
// must have been read without an error.
func (r *layerReader) entry(e layerEntry) error {
	h := e.Header
	if slices.Contains(strings.Split(h.Name, "/"), "..") && !r.opt.Plain {
		return errors.New("the name leaves the layer")
	}
	name := clean(h.Name)
	if name == "" {
		switch {
		case h.Typeflag != tar.TypeDir:
			return errNotDir
		case r.opt.Plain:
			return nil // Upstream: the root keeps its metadata
		}
		return r.e.SetMeta("", r.meta(h))
	}
	dir, base := path.Split(name)
	dir, err := r.directory(dir)
	if err != nil {
		return err
	}
	if rest, ok := strings.CutPrefix(base, whiteout); ok && !r.opt.Plain {
		return r.whiteout(dir, base, rest)
	}
	if name = path.Join(dir, base); len(name) > maxPath {
		return errLong // a path that links made longer
	}
	if err := r.parents(dir); err != nil {
		return err
	}
	r.recordCreated(name)
	n, err := r.node(e, name)
	if err != nil || n == nil {
		return err
	}
	return r.e.Put(name, n)
}

// directory resolves the symbolic links in dir, the parent directory of an entry, and
// returns the resulting path.
//
// Upstream: if a link in this path is dangling, reading an archive fails. For a layer of
// an image, the missing directories are created.
func (r *layerReader) directory(dir string) (string, error) {
	dir = clean(dir)
	at, err := r.e.Resolve(dir, true)
	if err != nil || at == dir || !r.opt.Plain {
		return at, err
	}
	for i := range len(dir) + 1 {
		if i < len(dir) && dir[i] != '/' {
			continue
		}
		link, err := r.e.Resolve(dir[:i], false)
		if err != nil {
			return "", err
		}
		kind, _, err := r.e.Stat(link)
		if err != nil {
			return "", err
		}
		if kind != Symlink {
			continue
		}
		to, err := r.e.Resolve(link, true)
		if err != nil {
			return "", err
		}
		if kind, _, err = r.e.Stat(to); err != nil {
			return "", err
		}
		if kind == 0 {
			return "", fmt.Errorf("/%s is a symbolic link to /%s, which does not exist where the archive is unpacked", link, to)
		}
	}
	return at, nil
}

// setGroupID is the set-group-ID mode bit. New subdirectories of a directory inherit it.
const setGroupID = 0o2000

// deepestDir returns the metadata of the directory at the path dir or, if dir does not
// exist, of its closest existing parent directory. It returns an error if a part of the
// path is not a directory.
func (r *layerReader) deepestDir(dir string) (Meta, error) {
	for p := dir; ; p = path.Dir(p) {
		if p == "." {
			p = ""
		}
		switch kind, m, err := r.e.Stat(p); {
		case err != nil:
			return m, err
		case kind == Dir:
			return m, nil // all parents of a directory are directories
		case kind != 0:
			return m, fmt.Errorf("/%s is a %s, not a directory", p, kind)
		}
	}
}

// parents creates dir, the parent directory of an entry, and its parents if they do not
// exist.
func (r *layerReader) parents(dir string) error {
	m := Meta{Mode: 0o755}
	deepest, err := r.deepestDir(dir)
	if err != nil {
		return err
	}
	if r.opt.Plain {
		m.Mode |= deepest.Mode & setGroupID // Upstream: but the group is root
	}
	if r.opt.Now != nil {
		m.ModTime = r.opt.Now().UTC()
	}
	created, err := r.e.MkdirAll(dir, m)
	for _, p := range created {
		r.recordCreated(p)
	}
	return err
}

// recordCreated records that this layer created the file at a path.
func (r *layerReader) recordCreated(name string) {
	r.created[name] = true
	for p := path.Dir(name); p != "." && !r.createdParents[p]; p = path.Dir(p) {
		r.createdParents[p] = true
	}
}

// whiteout applies a whiteout file in the directory dir. The parameter base is the name
// of the whiteout file, and name is base without the prefix ".wh.". Only files from
// lower layers are removed, even if the archive lists the whiteout after files of this
// layer.
func (r *layerReader) whiteout(dir, base, name string) error {
	if _, err := r.deepestDir(dir); err != nil {
		return err
	}
	if base == opaque {
		names, err := r.e.Names(dir)
		if err != nil {
			return err
		}
		for _, child := range names {
			if err := r.removeLower(path.Join(dir, child)); err != nil {
				return err
			}
		}
		return nil
	}
	if !ValidName(name) {
		return errors.New("the whiteout names no file")
	}
	return r.removeLower(path.Join(dir, name))
}

// removeLower removes the file at a path with everything below it, except for files that
// this layer created.
func (r *layerReader) removeLower(name string) error {
	if !r.created[name] && !r.createdParents[name] {
		return r.e.Remove(name)
	}
	names, err := r.e.Names(name)
	if err != nil {
		return err
	}
	for _, child := range names {
		if err := r.removeLower(path.Join(name, child)); err != nil {
			return err
		}
	}
	return nil
}
