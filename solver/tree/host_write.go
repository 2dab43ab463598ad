package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
)

// HostOptions configures [WriteDir].
type HostOptions struct {
	// Owners makes WriteDir set owners and extended attributes and create devices, pipes
	// and sockets. This needs privileges. In a user namespace, in which devices cannot be
	// created, devices are left out.
	Owners bool
	// Refused is called with the path of each device, pipe or socket that the user or the
	// system may not create, and which is therefore left out. If Refused is nil and Owners
	// is false, WriteDir does not try to create them.
	Refused func(name string)
	// NoDevices makes WriteDir leave out character and block devices, as if the system refused
	// them.
	NoDevices bool
	// NoLinks makes WriteDir write each name of a file as a file of its own, so that a process
	// that changes one of them does not change the others, as on an overlay.
	NoLinks bool
	// OneOwner makes root the owner of all files, for user namespaces without other users.
	OneOwner bool
	// Written is called after each regular file with its size in bytes. Calls may be
	// concurrent. Written may be nil.
	Written func(size int64)

	layer *LayerWriter // moves contents; may be nil
}

// WriteDir writes the files of the tree n into the existing directory dir of the host.
// It never writes outside dir, even if another process replaces directories by links.
// If ctx ends, it returns context.Cause(ctx).
//
// Several goroutines write files. The first error in the order of the tree is returned,
// regardless of which goroutine fails first.
func WriteDir(ctx context.Context, dir string, n *Node, s *Store, opt HostOptions) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	return errors.Join(WriteRoot(ctx, root, n, s, opt), root.Close())
}

// WriteRoot writes the files of the tree n into an open directory, as [WriteDir] does.
func WriteRoot(ctx context.Context, root *os.Root, n *Node, s *Store, opt HostOptions) error {
	w := &hostWriter{ctx: ctx, store: s, opt: opt, inodes: map[string]string{}, jobs: make(chan hostJob)}
	return w.run(root, n)
}

// entry writes the entry e, which is neither a directory nor a further name of a file, into
// an open directory. The parameter name is the path of the entry in the tree. entry reports
// whether it created the file.
func (w *hostWriter) entry(parent *os.Root, name string, e Entry) (created bool, err error) {
	switch n := e.Node; n.kind {
	case File:
		if err := w.file(parent, name, n); err != nil {
			return false, fmt.Errorf("/%s: %w", name, err)
		}
	case Symlink:
		if err := parent.Symlink(n.target, e.Name); err != nil {
			return false, err
		}
	default:
		if created, err := w.special(parent, name, e); err != nil || !created {
			return false, err
		}
	}
	return true, w.setMeta(parent, e.Name, e.Node)
}

// join returns the path of the file with the given name in the directory dir of a tree. For
// the root, dir is "".
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// special creates a device, pipe or socket in parent, and reports whether it did so. It
// skips files that this process is not permitted to create, see [HostOptions].
func (w *hostWriter) special(parent *os.Root, name string, e Entry) (created bool, err error) {
	if !w.opt.Owners && w.opt.Refused == nil {
		return false, nil
	}
	if w.opt.NoDevices && (e.Node.kind == CharDevice || e.Node.kind == BlockDevice) {
		err = fs.ErrPermission
	} else {
		err = mknod(parent, e.Name, e.Node)
	}
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

// file creates a regular file in an open directory, with the content of n. The parameter
// name is the path of the file in the tree.
func (w *hostWriter) file(parent *os.Root, name string, n *Node) error {
	if w.opt.layer != nil {
		if moved, err := w.opt.layer.move(w.ctx, parent, name, n); moved || err != nil {
			return err
		}
	}
	src, err := w.store.OpenContext(w.ctx, n.blob)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := parent.OpenFile(path.Base(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = copyFile(w.ctx, dst, src)
	if err = errors.Join(err, dst.Close()); err == nil && w.opt.Written != nil {
		w.opt.Written(n.blob.Size)
	}
	return err
}

// setMeta sets the metadata of a file in an open directory: owner, mode, extended attributes
// and time, in this order. Changing the owner clears the set-user-ID bit and capabilities,
// and all changes but the last affect times.
func (w *hostWriter) setMeta(parent *os.Root, name string, n *Node) error {
	m := n.meta
	if w.opt.Owners {
		uid, gid := int(m.UID), int(m.GID)
		if w.opt.OneOwner {
			uid, gid = 0, 0
		}
		if err := parent.Lchown(name, uid, gid); err != nil {
			return err
		}
	}
	if n.kind != Symlink {
		if err := parent.Chmod(name, FileMode(m.Mode)); err != nil {
			return err
		}
	}
	if w.opt.Owners {
		if err := setXattrs(parent, name, m.Xattrs); err != nil {
			return err
		}
	}
	if n.kind == Symlink {
		return setLinkTime(parent, name, m.ModTime)
	}
	return parent.Chtimes(name, m.ModTime, m.ModTime)
}

// FileMode returns the [fs.FileMode] for Unix mode bits, such as 04755.
func FileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	for _, b := range modeBits() {
		if mode&b.unix != 0 {
			m |= b.mode
		}
	}
	return m
}

// UnixMode returns the Unix mode bits of m, such as 04755. It ignores the file type.
func UnixMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	for _, b := range modeBits() {
		if m&b.mode != 0 {
			mode |= b.unix
		}
	}
	return mode
}

// modeBit is a mode bit that has different values in Unix and in Go.
type modeBit struct {
	unix uint32
	mode fs.FileMode
}

// modeBits returns the bits for setuid, setgid and sticky.
func modeBits() [3]modeBit {
	return [3]modeBit{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}}
}
