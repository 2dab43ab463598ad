package chroot

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"slipway/solver/tree"
)

// errChanged is the error for a step that changed a mount that a kernel would protect.
var errChanged = errors.New("the step changed a read-only mount, which the chroot runner cannot prevent (mount it with rw, or use --runner namespace)")

// errRemoved is the error for a step that removed or moved a directory of a mount.
var errRemoved = errors.New("the step moved or removed the mounted file or directory (use --runner namespace)")

// isChanged reports whether a file may have changed since it was copied.
type isChanged func(fs.FileInfo) bool

// readMount returns the tree of the mount with the index i in the sandbox, after the process has
// ended. If the mount is read-only and the process changed it, readMount returns errChanged.
func (s *step) readMount(i int, changed isChanged) (*tree.Node, error) {
	m, c := &s.p.Mounts[i], s.copies[i]
	if m.Target == "/" {
		if m.ReadOnly { // mount points and the working directory may have changed it
			return m.Tree, nil
		}
		return s.read(c, s.root, changed)
	}
	all, err := s.read(c, s.outDir(i), changed)
	if err != nil {
		return nil, err
	}
	before, err := c.base.Child(mountName)
	if err != nil {
		return nil, err
	}
	n, err := all.Child(mountName)
	switch {
	case err != nil:
		return nil, err
	case n == nil:
		return nil, errRemoved
	case m.ReadOnly && !equalExceptTime(before, n):
		return nil, errChanged
	case m.ReadOnly:
		return m.Tree, nil
	}
	at, _, err := m.Resolve(m.Base())
	if err != nil {
		return nil, err
	}
	if at == "" || at == "." {
		return n, nil
	}
	whole := tree.Edit(m.Base())
	if err := whole.Put(at, n); err != nil {
		return nil, err
	}
	return whole.Tree(), nil
}

// equalExceptTime reports whether two nodes differ at most in their modification time. A
// mounted directory can have none, and then has the time of the copy.
func equalExceptTime(a, b *tree.Node) bool {
	m := b.Meta()
	m.ModTime = a.Meta().ModTime
	return a.Same(b.WithMeta(m))
}

// outDir returns the directory that contains the mount with the index i in the sandbox, as
// [mountName], after it was removed from the root.
func (s *step) outDir(i int) string {
	for k, pl := range s.places {
		if pl.mount == i {
			return filepath.Join(s.work, "out", strconv.Itoa(k))
		}
	}
	return ""
}

// copied is a copy of a tree on the host.
type copied struct {
	base    *tree.Node
	refused map[string]bool   // paths of device files, which are left out
	inodes  map[string]uint64 // inode numbers of directories by path
}

// copy writes a tree into the existing directory dir. If isRoot is set, the tree is the root of
// the process. Devices of the image are left out: no kernel feature would prevent the process
// from using them, even as an ordinary user.
func (s *step) copy(base *tree.Node, dir string, isRoot bool) (*copied, error) {
	c := &copied{base: base, refused: map[string]bool{}, inodes: map[string]uint64{}}
	n := base
	if isRoot {
		n = s.p.Mounts[s.p.Root()].Base()
	}
	opt := tree.HostOptions{Owners: true, NoDevices: true, NoLinks: true, Refused: func(name string) { c.refused[name] = true }}
	if err := tree.WriteDir(s.ctx, dir, n, s.r.store, opt); err != nil {
		return nil, fmt.Errorf("copy: %w", err)
	}
	return c, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		c.inodes[strings.TrimPrefix(strings.TrimPrefix(name, dir), "/")] = inodeOf(info)
		return nil
	})
}

// inodeOf returns the inode number of a file.
func inodeOf(info fs.FileInfo) uint64 {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return st.Ino
}

// read reads dir, which contains the copy c after the process has ended. It does not read the
// content of files that the process has not changed.
//
// A file is unchanged if the function changed says so and each directory in its path is the
// directory that the copy had at that path. The function alone does not suffice: renaming a
// directory changes no file below it, so two directories may have exchanged their names.
func (s *step) read(c *copied, dir string, changed isChanged) (*tree.Node, error) {
	x := comparison{copied: c, created: s.mark.Time(), same: map[string]*tree.Node{}, original: map[string]bool{}}
	if dir == s.root {
		x.stubDirs = s.stubDirs()
	}
	reader := tree.HostReader{
		Store: s.r.store, Origin: string(c.base.ID()),
		Meta: func(f tree.HostFile) (tree.Meta, error) {
			if !x.isOriginal(f) || f.Path == "" || changed(f.Info) {
				return f.Meta, nil // the root may have another mode than in the tree
			}
			old, err := c.base.Get(f.Path)
			if err != nil || old == nil {
				return f.Meta, err
			}
			x.same[f.Path] = old
			return old.Meta(), nil
		},
		Blob: func(f tree.HostFile) (tree.Blob, bool) {
			if old := x.same[f.Path]; old != nil {
				return old.Blob(), true
			}
			return tree.Blob{}, false
		},
	}
	now, err := reader.ReadDir(s.ctx, dir)
	if err != nil {
		return nil, err
	}
	return x.dir(c.base, now, "")
}

// comparison holds the state of [step.read].
type comparison struct {
	*copied
	created  time.Time // time before the runner created files in the root
	stubDirs map[string]bool
	same     map[string]*tree.Node // unchanged files and directories by path; the entries of a directory may have changed
	original map[string]bool       // directories that are at the same path as in the copy
}

// isOriginal reports whether each directory in the path of a file is the directory that the copy
// had at that path. If the file is a directory, isOriginal also considers the file itself.
func (x *comparison) isOriginal(f tree.HostFile) bool {
	if f.Path == "" {
		x.original[""] = true
		return true
	}
	parent := path.Dir(f.Path)
	if parent == "." {
		parent = ""
	}
	if !x.original[parent] {
		return false
	}
	if !f.Info.IsDir() {
		return true
	}
	inode, ok := x.inodes[f.Path]
	x.original[f.Path] = ok && inode == inodeOf(f.Info)
	return x.original[f.Path]
}

// dir returns the directory current with the nodes of base for all files that have not
// changed, so that hard links between them stay intact. The parameter at is the path of the
// directory. Whiteouts that the process created are left out, because a layer cannot contain
// them.
func (x *comparison) dir(base, current *tree.Node, at string) (*tree.Node, error) {
	old, err := base.Entries()
	if err != nil {
		return nil, err
	}
	entries, err := current.Entries()
	if err != nil {
		return nil, err
	}
	var list []tree.Entry
	for _, e := range tree.Pairs(old, entries) {
		name, n := path.Join(at, e.Name), e.Upper
		switch {
		case n == nil && x.refused[name]:
			n = e.Lower
		case n == nil || n.IsWhiteout():
			continue
		case n.Kind() == tree.Dir:
			if n, err = x.dir(e.Lower, n, name); err != nil {
				return nil, err
			}
		case x.same[name] != nil:
			n = x.same[name]
		case e.Lower != nil && n.Same(e.Lower.WithInode("")): // the copy has no hard links
			n = e.Lower
		}
		list = append(list, tree.Entry{Name: e.Name, Node: n})
	}
	n, err := tree.NewDir(current.Meta(), list)
	if err == nil && x.stubDirs[at] && base != nil && base.Kind() == tree.Dir && equalExceptTime(base, n) && !n.Meta().ModTime.Before(x.created) {
		return base, nil
	}
	return n, err
}
