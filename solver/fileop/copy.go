package fileop

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/go-archive/compression"
	mode "github.com/tonistiigi/dchapes-mode"

	"slipway/solver/tree"
)

// parentMode is the mode of directories that a copy makes for its target.
const parentMode = 0o755

// copier puts what a copy selects into a tree.
type copier struct {
	r      *run
	e      *tree.Editor
	c      *pb.FileActionCopy
	owner  *ids
	modes  *mode.Set // symbolic mode
	octal  *uint32
	parent tree.Meta // of directories that are made for the target
	made   []string  // these directories
}

func (r *run) copy(e *tree.Editor, src *tree.Node, c *pb.FileActionCopy, owner *ids) error {
	p := &copier{r: r, e: e, c: c, owner: owner}
	if err := p.checkTarget(); err != nil {
		return err
	}
	src, err := r.env.Store.StubSockets(src)
	if err != nil {
		return err
	}
	sel, err := Select(src, c)
	if err != nil {
		return err
	}
	if err := p.setMode(); err != nil {
		return err
	}
	p.parent = r.meta(parentMode, owner, c.Timestamp)
	if p.octal != nil {
		p.parent.Mode = *p.octal & 0o777 // the other bits are for what is copied
	}
	for _, pk := range sel.picks {
		r.copies++
		if c.AttemptUnpackDockerCompatibility {
			done, err := p.unpack(pk)
			if err != nil {
				return err
			}
			if done {
				continue
			}
		}
		if err := errors.Join(p.put(pk), p.settle()); err != nil {
			return err
		}
	}
	return nil
}

func (p *copier) setMode() error {
	switch {
	case p.c.ModeStr != "":
		set, err := mode.ParseWithUmask(p.c.ModeStr, 0)
		if err != nil {
			return fmt.Errorf("mode %q: %w", p.c.ModeStr, err)
		}
		p.modes = &set
	case p.c.Mode != -1:
		m := uint32(p.c.Mode) & 0o7777
		p.octal = &m
	}
	return nil
}

// put copies one path to the target. A target that ends in a slash, or is a
// directory, is one to copy into.
func (p *copier) put(pk pick) error {
	dest, err := p.target()
	if err != nil {
		return err
	}
	kind, _, there := p.e.Stat(dest)
	isDir := pk.node.Kind() == tree.Dir
	if !p.c.DirCopyContents && isDir && there || !isDir && there && kind == tree.Dir {
		dest = path.Join(dest, pk.base)
	}
	parents := parentOf(dest)
	if p.c.DirCopyContents && isDir && !there {
		parents = dest
	}
	if err := p.mkdirs(parents); err != nil {
		return err
	}
	return p.merge(dest, pk.picked, false)
}

// checkTarget checks that the directory of the target is there, if it must be:
// as in BuildKit the one above the last part, even if that ends in a slash.
func (p *copier) checkTarget() error {
	if p.c.CreateDestPath {
		return nil
	}
	dest, err := p.e.Resolve(path.Clean("/"+p.c.Dest), true)
	if err != nil {
		return err
	}
	if _, _, there := p.e.Stat(parentOf(dest)); !there {
		return &fs.PathError{Op: "copy", Path: "/" + parentOf(dest), Err: syscall.ENOENT}
	}
	return nil
}

// target returns where the target is, and makes the directories that it is in.
func (p *copier) target() (string, error) {
	dir := p.c.Dest
	if base := path.Base("/" + dir); !strings.HasSuffix(dir, "/") && !strings.HasSuffix(dir, "/.") && base != "/" && base != "." {
		dir = path.Dir("/" + dir)
	}
	dir, err := p.e.Resolve(path.Clean("/"+dir), true)
	if err != nil {
		return "", err
	}
	if err := p.mkdirs(dir); err != nil {
		return "", err
	}
	return p.e.Resolve(path.Clean("/"+p.c.Dest), true)
}

func parentOf(name string) string {
	dir := path.Dir(path.Clean("/" + name))
	return strings.TrimPrefix(dir, "/")
}

func (p *copier) mkdirs(name string) error {
	made, err := p.e.MkdirAll(name, inherited(p.e, name, p.parent, p.owner))
	p.made = append(p.made, made...)
	return err
}

// settle gives the directories that were made for the target the time that the
// copy sets.
//
// Upstream: each path that wildcards find is a copy of its own. A directory that
// was made for the first does not get it again after the next.
func (p *copier) settle() error {
	if p.c.Timestamp == -1 {
		return nil
	}
	for _, name := range p.made {
		_, m, _ := p.e.Stat(name)
		m.ModTime = p.parent.ModTime
		if err := p.e.SetMeta(name, m); err != nil {
			return err
		}
	}
	p.made = nil
	return nil
}

// merge puts a node and what is taken of it at a path. What is there keeps its
// values only if it is the target itself.
func (p *copier) merge(dest string, pk *picked, overwrite bool) error {
	kind, old, there := p.e.Stat(dest)
	if there && pk.included && p.c.AlwaysReplaceExistingDestPaths && !(pk.node.Kind() == tree.Dir && kind == tree.Dir) {
		if err := p.e.Remove(dest); err != nil {
			return err
		}
		there = false
	}
	if pk.node.Kind() != tree.Dir {
		if there && kind == tree.Dir {
			return &fs.PathError{Op: "copy", Path: "/" + dest, Err: fmt.Errorf("a directory, which a %s cannot replace (remove it first, or copy to another path)", pk.node.Kind())}
		}
		return p.e.Put(dest, p.adjusted(pk.node))
	}
	m := p.meta(pk.node)
	switch {
	case there && kind != tree.Dir:
		return &fs.PathError{Op: "copy", Path: "/" + dest, Err: fmt.Errorf("a %s, which a directory cannot replace (remove it first, or copy to another path)", kind)}
	case !there && pk.whole:
		return p.e.Put(dest, p.adjusted(pk.node))
	case !there:
		if _, err := p.e.MkdirAll(dest, m); err != nil {
			return err
		}
	case !overwrite:
		// Upstream: the target itself gets the time of what was copied into it.
		old.ModTime = m.ModTime
		m = old
	case !pk.included:
		// A directory that is only there for what is in it.
		old.Mode = pk.node.Meta().Mode
		if err := p.e.SetMeta(dest, old); err != nil {
			return err
		}
	default:
		m.Xattrs = old.WithXattrs(m.Xattrs)
	}
	if err := p.mergeEntries(dest, pk); err != nil || !pk.included {
		return err
	}
	return p.e.SetMeta(dest, m)
}

func (p *copier) mergeEntries(dest string, pk *picked) error {
	if !pk.whole {
		for _, e := range pk.entries {
			if err := p.merge(path.Join(dest, e.name), e.picked, true); err != nil {
				return err
			}
		}
		return nil
	}
	for _, e := range pk.node.Entries() {
		if err := p.merge(path.Join(dest, e.Name), &picked{node: e.Node, included: true, whole: true}, true); err != nil {
			return err
		}
	}
	return nil
}

// adjusted returns a node with the owner, mode and time that the copy sets, and
// so all that is below it. Files that were hard links of each other are so, but
// not of those that they were copied from. Where nothing changes it is the node
// itself.
func (p *copier) adjusted(n *tree.Node) *tree.Node {
	if p.owner == nil && p.modes == nil && p.octal == nil && p.c.Timestamp == -1 && !n.Linked() {
		return n
	}
	if n.Kind() == tree.Dir {
		return n.MapEntries(p.meta(n), p.adjusted)
	}
	switch {
	case n.Kind() != tree.File: // Upstream: only files stay hard links
		n = n.WithInode("")
	case n.Inode() != "":
		n = n.WithInode(tree.NewInode(p.origin(), n.Inode()))
	}
	return n.WithMeta(p.meta(n))
}

// origin is where the hard links of the current path come from: as in BuildKit,
// paths that are copied one by one have none in common.
func (p *copier) origin() string { return fmt.Sprintf("%s %d", p.r.env.ID, p.r.copies) }

// meta returns the values that a node gets.
func (p *copier) meta(n *tree.Node) tree.Meta {
	m := n.Meta()
	if p.owner != nil {
		m.UID, m.GID = p.owner.uid, p.owner.gid
	}
	if p.c.Timestamp != -1 {
		m.ModTime = time.Unix(0, p.c.Timestamp).UTC()
	}
	switch {
	case n.Kind() == tree.Symlink:
	case p.modes != nil:
		full := tree.FileMode(m.Mode)
		if n.Kind() == tree.Dir {
			full |= fs.ModeDir // X of symbolic modes asks for it
		}
		m.Mode = tree.UnixMode(p.modes.Apply(full))
	case p.octal != nil:
		m.Mode = *p.octal
	}
	return m
}

// unpack extracts an archive to the target, which is a directory then. It tells
// whether the path was one.
func (p *copier) unpack(pk pick) (bool, error) {
	if pk.node.Kind() != tree.File {
		return false, nil
	}
	f, err := p.r.env.Store.OpenContext(p.r.ctx, pk.node.Blob())
	if err != nil {
		return false, err
	}
	defer f.Close()
	if ok, err := isArchive(f); !ok {
		return false, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	r, err := compression.DecompressStream(f)
	if err != nil {
		return false, err
	}
	defer r.Close()
	dest, err := p.e.Resolve(p.c.Dest, true)
	if err != nil {
		return false, err
	}
	if _, err := p.e.MkdirAll(dest, inherited(p.e, dest, p.r.meta(parentMode, p.owner, p.c.Timestamp), p.owner)); err != nil {
		return false, err
	}
	opt := tree.ReadOptions{Plain: true, OnOverlay: p.r.onOverlay, Now: p.r.env.Now, Origin: p.origin()}
	if p.owner != nil {
		opt.Owner = func(m tree.Meta) tree.Meta { m.UID, m.GID = p.owner.uid, p.owner.gid; return m }
	}
	n, err := tree.ReadLayer(p.e.Get(dest), tree.Reader(p.r.ctx, r), p.r.env.Store, opt)
	if err != nil {
		return false, fmt.Errorf("unpack: %w", err)
	}
	if dest == "" {
		return true, p.e.Put(dest, n)
	}
	return true, p.e.Update(dest, n)
}

// isArchive tells whether a file is a tar archive, compressed or not.
func isArchive(f *os.File) (bool, error) {
	r, err := compression.DecompressStream(f)
	if err != nil {
		return false, nil // what cannot be decompressed is a file
	}
	defer r.Close()
	_, err = tar.NewReader(r).Next()
	return err == nil, nil
}
