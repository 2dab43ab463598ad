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

// parentMode is the mode of directories that a copy creates for its target.
const parentMode = 0o755

// copier copies the selected files into a tree.
type copier struct {
	r      *run
	e      *tree.Editor
	c      *pb.FileActionCopy
	owner  *ids
	modes  *mode.Set // the symbolic mode; nil if none is set
	octal  *uint32
	parent tree.Meta // metadata of directories that are created for the target
	made   []string  // paths of these directories
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
		p.parent.Mode = *p.octal & 0o777 // the other bits apply to copied nodes only
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

// put copies one path to the target. If the target exists and is a directory, a file is
// copied into it, and so is a directory unless its contents are copied.
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

// checkTarget returns an error if the copy must not create directories and the parent
// directory of the target does not exist. As in BuildKit, the parent excludes the last
// element, even if the target ends in a slash.
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

// target returns the resolved path of the target, and creates its parent directories. If
// the target ends in a slash, it is also created as a directory.
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

// settle sets the modification time that the copy requests on the directories that were
// created for the target.
//
// Upstream: each path that a wildcard matches is a separate copy. A directory that was
// created for one of them does not get the time again after the next one.
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

// merge copies the selected part of a node to dest. An existing directory gets the
// metadata of the node unless it is the target itself.
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
		// Upstream: the target itself gets the time of the directory that is copied into
		// it.
		old.ModTime = m.ModTime
		m = old
	case !pk.included:
		// This directory is selected only for its entries.
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

// adjusted returns n, and everything below it, with the owner, mode and time that the
// copy sets. Files that are hard links of each other stay so, but are not hard links of
// the files that they were copied from. If nothing changes, it returns n.
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

// origin identifies the current path of the copy, for inodes of hard links. As in
// BuildKit, files of two paths that are copied separately are never hard links of each
// other.
func (p *copier) origin() string { return fmt.Sprintf("%s %d", p.r.env.ID, p.r.copies) }

// meta returns the metadata of the copy of n.
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
			full |= fs.ModeDir // symbolic modes with X need it
		}
		m.Mode = tree.UnixMode(p.modes.Apply(full))
	case p.octal != nil:
		m.Mode = *p.octal
	}
	return m
}

// unpack extracts an archive into the target, and reports whether the path was an
// archive. The target is then a directory.
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

// isArchive reports whether a file is a tar archive, compressed or not.
func isArchive(f *os.File) (bool, error) {
	r, err := compression.DecompressStream(f)
	if err != nil {
		return false, nil // a file that cannot be decompressed is not an archive
	}
	defer r.Close()
	_, err = tar.NewReader(r).Next()
	return err == nil, nil
}
