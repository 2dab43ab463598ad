package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// HostOptions say what of a tree is written to a directory of the host.
type HostOptions struct {
	// Owners sets owners, extended attributes and devices, which needs
	// privileges. Without it devices and sockets are left out. In a user
	// namespace, where no process may make them, devices are left out as well.
	Owners bool
	// Refused is told the paths of devices and pipes that this user or system may
	// not make, and that are left out. Nil leaves out all of them without Owners.
	Refused func(name string)
	// OneOwner gives all files to root: for user namespaces without others.
	OneOwner bool
	// Written is called with the size of each file after it was written. It may be
	// nil.
	Written func(size int64)
}

// WriteDir writes the files of a tree into a directory of the host, which must
// be there. Nothing is written outside of it.
func WriteDir(ctx context.Context, dir string, n *Node, s *Store, opt HostOptions) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	w := &hostWriter{ctx: ctx, store: s, opt: opt, inodes: map[string]string{}, top: root}
	return errors.Join(w.dir(root, "", n), root.Close())
}

type hostWriter struct {
	ctx    context.Context
	store  *Store
	opt    HostOptions
	top    *os.Root
	inodes map[string]string // inode → first path
}

// dir fills a directory, and then gives it its values: as long as it is filled,
// its time changes.
func (w *hostWriter) dir(at *os.Root, name string, n *Node) error {
	for _, e := range n.entries {
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		if err := w.node(at, join(name, e.Name), e); err != nil {
			return err
		}
	}
	return w.values(at, ".", n)
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

func (w *hostWriter) node(at *os.Root, name string, e Entry) error {
	n := e.Node
	if first, ok := w.inodes[n.inode]; ok && n.inode != "" {
		return w.top.Link(first, name)
	}
	switch n.kind {
	case Dir:
		if err := at.Mkdir(e.Name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		sub, err := at.OpenRoot(e.Name)
		if err != nil {
			return err
		}
		return errors.Join(w.dir(sub, name, n), sub.Close())
	case File:
		if err := w.file(at, e.Name, n); err != nil {
			return fmt.Errorf("/%s: %w", name, err)
		}
	case Symlink:
		if err := at.Symlink(n.target, e.Name); err != nil {
			return err
		}
	default:
		made, err := w.special(at, name, e)
		if err != nil || !made {
			return err
		}
	}
	if n.inode != "" {
		w.inodes[n.inode] = name
	}
	return w.values(at, e.Name, n)
}

// special makes a device or a pipe, unless it is to be left out.
func (w *hostWriter) special(at *os.Root, name string, e Entry) (made bool, err error) {
	if !w.opt.Owners && w.opt.Refused == nil {
		return false, nil
	}
	err = mknod(at, e.Name, e.Node)
	switch {
	case err == nil:
		return true, nil
	case w.opt.Refused != nil && (errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported)):
		w.opt.Refused(name)
		return false, nil
	case errors.Is(err, fs.ErrPermission) && e.Node.kind != Fifo:
		return false, nil // in a user namespace
	}
	return false, fmt.Errorf("make /%s: %w", name, err)
}

func (w *hostWriter) file(at *os.Root, name string, n *Node) error {
	src, err := w.store.OpenContext(w.ctx, n.blob)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := at.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = copyFile(w.ctx, dst, src)
	if err = errors.Join(err, dst.Close()); err == nil && w.opt.Written != nil {
		w.opt.Written(n.blob.Size)
	}
	return err
}

// values sets owner, mode, extended attributes and time, in the order in which
// none undoes another.
func (w *hostWriter) values(at *os.Root, name string, n *Node) error {
	m := n.meta
	if w.opt.Owners {
		uid, gid := int(m.UID), int(m.GID)
		if w.opt.OneOwner {
			uid, gid = 0, 0
		}
		if err := at.Lchown(name, uid, gid); err != nil {
			return err
		}
	}
	if n.kind != Symlink {
		if err := at.Chmod(name, FileMode(m.Mode)); err != nil {
			return err
		}
	}
	if w.opt.Owners {
		if err := setXattrs(at, name, m.Xattrs); err != nil {
			return err
		}
	}
	if n.kind == Symlink {
		return setLinkTime(at, name, m.ModTime)
	}
	return at.Chtimes(name, m.ModTime, m.ModTime)
}

// FileMode turns Unix's bits into Go's.
func FileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	for _, b := range modeBits() {
		if mode&b.unix != 0 {
			m |= b.mode
		}
	}
	return m
}

// UnixMode turns Go's bits into Unix's.
func UnixMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	for _, b := range modeBits() {
		if m&b.mode != 0 {
			mode |= b.unix
		}
	}
	return mode
}

type modeBit struct {
	unix uint32
	mode fs.FileMode
}

func modeBits() [3]modeBit {
	return [3]modeBit{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}}
}
