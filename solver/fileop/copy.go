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
	mode "github.com/tonistiigi/dchapes-mode"

	"slipway/internal/decompress"
	"slipway/solver/tree"
)

// parentMode is the mode of the parent directories that a copy creates for its target.
const parentMode = 0o755

// copier performs one copy action. It changes the tree of a [tree.Editor].
type copier struct {
	r        *run
	e        *tree.Editor
	c        *pb.FileActionCopy
	owner    *ids
	symbolic *mode.Set // a symbolic mode to apply, such as u+x; nil if the action sets none
	octal    *uint32   // an octal mode to set; nil if the action sets none
	parent   tree.Meta // metadata of parent directories that the copy creates
	created  []string  // paths of these directories
}

// copy performs the copy action c: it copies the selected files of src into the tree of e,
// or unpacks them if they are archives and the action requests that.
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
	if missing := new(NotFoundError); errors.As(err, &missing) {
		missing.Copying = true
	}
	if err != nil {
		return err
	}
	if err := p.setMode(); err != nil {
		return err
	}
	p.parent = r.meta(parentMode, owner, c.Timestamp)
	if p.octal != nil {
		p.parent.Mode = *p.octal & 0o777 // setuid, setgid and sticky apply only to copied files
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
		if err := errors.Join(p.put(pk), p.setParentTimes()); err != nil {
			return err
		}
	}
	return nil
}

// setMode parses the file mode that the copy action sets, if any. It sets the field symbolic
// or octal of the copier to the result.
func (p *copier) setMode() error {
	switch {
	case p.c.ModeStr != "":
		set, err := mode.ParseWithUmask(p.c.ModeStr, 0)
		if err != nil {
			return fmt.Errorf("mode %q: %w", p.c.ModeStr, err)
		}
		p.symbolic = &set
	case p.c.Mode != -1:
		m := uint32(p.c.Mode) & 0o7777
		p.octal = &m
	}
	return nil
}

// put copies pk, a file or directory that matches the source path, to the target of the
// action. If the target is an existing directory, the copy of a file is created in it. This
// also applies to the copy of a directory, unless the action copies only the contents of
// directories.
func (p *copier) put(pk pick) error {
	dest, err := p.target()
	if err != nil {
		return err
	}
	kind, _, err := p.e.Stat(dest)
	if err != nil {
		return err
	}
	exists := kind != 0
	isDir := pk.node.Kind() == tree.Dir
	if !p.c.DirCopyContents && isDir && exists || !isDir && exists && kind == tree.Dir {
		dest = path.Join(dest, pk.base)
	}
	parents := parentOf(dest)
	if p.c.DirCopyContents && isDir && !exists {
		parents = dest
	}
	if err := p.mkdirs(parents); err != nil {
		return err
	}
	return p.merge(dest, pk.selectedNode, false)
}

// checkTarget returns an error if the parent directory of the target does not exist, unless
// the action may create it. As in BuildKit, the parent of /a/b/ is /a.
func (p *copier) checkTarget() error {
	if p.c.CreateDestPath {
		return nil
	}
	dest, err := p.e.Resolve(path.Clean("/"+p.c.Dest), true)
	if err != nil {
		return err
	}
	kind, _, err := p.e.Stat(parentOf(dest))
	if err != nil {
		return err
	}
	if kind == 0 {
		return &fs.PathError{Op: "copy", Path: "/" + parentOf(dest), Err: syscall.ENOENT}
	}
	return nil
}

// target creates the parent directories of the path that the copy action copies to. It
// returns this path with symbolic links resolved. If the path ends in a slash, target
// creates a directory at the path, too.
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

// parentOf returns the path of the parent directory of name, without a leading slash.
func parentOf(name string) string {
	dir := path.Dir(path.Clean("/" + name))
	return strings.TrimPrefix(dir, "/")
}

// mkdirs creates a directory and its parents if they do not exist.
func (p *copier) mkdirs(name string) error {
	m, err := inherit(p.e, name, p.parent, p.owner)
	if err != nil {
		return err
	}
	created, err := p.e.MkdirAll(name, m)
	p.created = append(p.created, created...)
	return err
}

// setParentTimes sets the modification times of new parent directories to the time that the
// action requests. This is needed because copying into a directory changes its time. Only
// directories that were created for the last copied path are affected.
//
// Upstream: each path that a wildcard matches is a separate copy. If a later copy changes the
// time of a directory that an earlier copy created, the time is not set again.
func (p *copier) setParentTimes() error {
	if p.c.Timestamp == -1 {
		return nil
	}
	for _, name := range p.created {
		_, m, err := p.e.Stat(name)
		if err != nil {
			return err
		}
		m.ModTime = p.parent.ModTime
		if err := p.e.SetMeta(name, m); err != nil {
			return err
		}
	}
	p.created = nil
	return nil
}

// merge copies the node of pk to the path dest. If the node is a directory, merge copies only
// the entries that the patterns select. If both the node and the existing file at dest are
// directories, merge combines their entries. In this case, overwrite decides whether the
// directory at dest gets the metadata of the node. The parameter overwrite is false only for
// the target of the copy action.
func (p *copier) merge(dest string, pk *selectedNode, overwrite bool) error {
	kind, old, err := p.e.Stat(dest)
	if err != nil {
		return err
	}
	exists := kind != 0
	if exists && pk.included && p.c.AlwaysReplaceExistingDestPaths && !(pk.node.Kind() == tree.Dir && kind == tree.Dir) {
		if err := p.e.Remove(dest); err != nil {
			return err
		}
		exists = false
	}
	if pk.node.Kind() != tree.Dir {
		if exists && kind == tree.Dir {
			return &fs.PathError{Op: "copy", Path: "/" + dest, Err: fmt.Errorf("a directory, which a %s cannot replace (remove it first, or copy to another path)", pk.node.Kind())}
		}
		return p.add(dest, pk.node)
	}
	m := p.meta(pk.node)
	switch {
	case exists && kind != tree.Dir:
		return &fs.PathError{Op: "copy", Path: "/" + dest, Err: fmt.Errorf("a %s, which a directory cannot replace (remove it first, or copy to another path)", kind)}
	case !exists && pk.complete:
		return p.add(dest, pk.node)
	case !exists:
		if _, err := p.e.MkdirAll(dest, m); err != nil {
			return err
		}
	case !overwrite:
		// Upstream: the target itself gets only the modification time of the directory that
		// is copied into it.
		old.ModTime = m.ModTime
		m = old
	case !pk.included:
		// The patterns select only entries of this directory. It gets only the mode.
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

// add copies the node n with everything below it to the path dest.
func (p *copier) add(dest string, n *tree.Node) error {
	n, err := p.adjust(n)
	if err != nil {
		return err
	}
	return p.e.Put(dest, n)
}

// mergeEntries copies entries of a directory into the directory dest: those entries that the
// patterns select.
func (p *copier) mergeEntries(dest string, pk *selectedNode) error {
	if !pk.complete {
		for _, e := range pk.entries {
			if err := p.merge(path.Join(dest, e.name), e.selectedNode, true); err != nil {
				return err
			}
		}
		return nil
	}
	entries, err := pk.node.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := p.merge(path.Join(dest, e.Name), &selectedNode{node: e.Node, included: true, complete: true}, true); err != nil {
			return err
		}
	}
	return nil
}

// adjust returns a copy of n, and of everything below it, with the owner, mode and time
// that the action sets. Copies of regular files are hard links of each other if the
// originals are, but never hard links of the originals. If nothing would change, adjust
// returns n itself.
func (p *copier) adjust(n *tree.Node) (*tree.Node, error) {
	if p.owner == nil && p.symbolic == nil && p.octal == nil && p.c.Timestamp == -1 && !n.Linked() {
		return n, nil
	}
	if n.Kind() == tree.Dir {
		return n.MapEntries(p.meta(n), p.adjust)
	}
	switch {
	case n.Kind() != tree.File: // Upstream: copies of symbolic links, pipes and devices are not hard links
		n = n.WithInode("")
	case n.Inode() != "":
		n = n.WithInode(tree.NewInode(p.origin(), n.Inode()))
	}
	return n.WithMeta(p.meta(n)), nil
}

// origin returns the origin to pass to [tree.NewInode]: the ID of the operation, and the
// number of the copied source path. The number is part of the origin because BuildKit copies
// each source path separately: files from different source paths are never hard links of each
// other.
func (p *copier) origin() string { return fmt.Sprintf("%s %d", p.r.env.ID, p.r.copies) }

// meta returns the metadata for the copy of n, with the owner, mode and time that the
// action sets.
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
	case p.symbolic != nil:
		full := tree.FileMode(m.Mode)
		if n.Kind() == tree.Dir {
			full |= fs.ModeDir // X in a symbolic mode applies to all directories
		}
		m.Mode = tree.UnixMode(p.symbolic.Apply(full))
	case p.octal != nil:
		m.Mode = *p.octal
	}
	return m
}

// unpack extracts a selected file into the target directory. If the file is not an archive,
// it does nothing and returns false.
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
	r, err := decompress.NewReader(f)
	if err != nil {
		return false, err
	}
	defer r.Close()
	dest, err := p.e.Resolve(p.c.Dest, true)
	if err != nil {
		return false, err
	}
	m, err := inherit(p.e, dest, p.r.meta(parentMode, p.owner, p.c.Timestamp), p.owner)
	if err != nil {
		return false, err
	}
	if _, err := p.e.MkdirAll(dest, m); err != nil {
		return false, err
	}
	base, err := p.e.Get(dest)
	if err != nil {
		return false, err
	}
	opt := tree.ReadOptions{Plain: true, OnOverlay: p.r.onOverlay, Now: p.r.env.Now, Origin: p.origin()}
	if p.owner != nil {
		opt.Owner = func(m tree.Meta) tree.Meta { m.UID, m.GID = p.owner.uid, p.owner.gid; return m }
	}
	n, err := tree.ReadLayer(base, tree.Reader(p.r.ctx, r), p.r.env.Store, opt)
	if err != nil {
		return false, fmt.Errorf("unpack: %w", err)
	}
	if dest == "" {
		return true, p.e.Put(dest, n)
	}
	return true, p.e.Update(dest, n)
}

// isArchive reports whether a file is a tar archive, which may be compressed.
func isArchive(f *os.File) (bool, error) {
	r, err := decompress.NewReader(f)
	if err != nil {
		return false, nil // a file that cannot be decompressed is not an archive
	}
	defer r.Close()
	_, err = tar.NewReader(r).Next()
	return err == nil, nil
}
