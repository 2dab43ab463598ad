package namespace

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"slipway/solver/runner"
	"slipway/solver/runner/changes"
	"slipway/solver/tree"
)

// refusesUpper reports whether the file system of a directory cannot hold the upper
// directory of an overlay. The kernel rejects upper directories on an overlay (as in a
// container without a volume), on FUSE and on network file systems.
func refusesUpper(dir string) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return false, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	switch uint32(st.Type) {
	case unix.OVERLAYFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.NFS_SUPER_MAGIC, unix.V9FS_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC:
		return true, nil
	}
	return false, nil
}

// Copies reports whether each process runs in a copy of its trees. Copying is slow, but
// necessary if neither the file system of the runner's directory nor that of a directory for
// temporary files can hold the upper directory of an overlay.
func (r *Runner) Copies() bool { return r.copies }

// copied is a copy of a tree in which processes run.
type copied struct {
	mark *changes.Mark
	dirs map[string]uint64 // inode numbers of directories by path, as moving one changes no time of the files in it
}

// copy writes the whole tree of a mount into a new directory. Its parent directory gets the
// temporary files of the mark.
func (r *Runner) copy(ctx context.Context, m *runner.Mount, dir string) (*copied, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	files, err := r.withoutDevices(m.Base())
	if err != nil {
		return nil, err
	}
	opt := tree.HostOptions{Owners: true, NoLinks: true, OneOwner: r.oneOwner}
	if err := tree.WriteDir(ctx, dir, files, r.store, opt); err != nil {
		return nil, fmt.Errorf("copy: %w", err)
	}
	c := &copied{}
	if c.dirs, err = dirInodes(ctx, dir); err != nil {
		return nil, err
	}
	if c.mark, err = changes.NewMark(ctx, filepath.Dir(dir)); err != nil {
		return nil, err
	}
	return c, nil
}

// dirInodes returns the inode numbers of the directory dir and of the directories below it, by
// their paths in the tree.
func dirInodes(ctx context.Context, dir string) (map[string]uint64, error) {
	inodes := map[string]uint64{}
	reader := tree.HostReader{
		Meta: func(f tree.HostFile) (tree.Meta, error) {
			if f.Info.IsDir() {
				inodes[f.Path] = inodeOf(f.Info)
			}
			return f.Meta, nil
		},
		Blob: func(tree.HostFile) (tree.Blob, bool) { return tree.Blob{}, true }, // contents are not read
	}
	_, err := reader.ReadDir(ctx, dir)
	return inodes, err
}

// inodeOf returns the inode number of a file.
func inodeOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

// readCopy reads a directory in which processes have run. The parameter dir is this
// directory, which was created as a copy of the tree base. It does not read files that no
// process has changed: they are older than the mark, and no directory above them was moved.
//
// The result contains two trees: base and the tree after the step. The tree after the step
// lacks unused mount points, whose paths are in stubs.
func (r *Runner) readCopy(ctx context.Context, base *tree.Node, copied *copied, dir string, stubs map[string]bool) (*upperDir, error) {
	changed, err := copied.mark.Changes()
	if err != nil {
		return nil, err
	}
	moved := map[string]bool{} // directories that another path had, and those in them
	c := copyReader{r: r, upperReader: upperReader{stubs: stubs, created: copied.mark.Time()}, same: map[string]*tree.Node{}}
	meta := r.metaOver(base)
	reader := tree.HostReader{
		Store: r.store, Origin: string(base.ID()),
		Meta: func(f tree.HostFile) (tree.Meta, error) {
			old, err := base.Get(f.Path)
			if err != nil {
				return f.Meta, err
			}
			parent, _ := path.Split(f.Path)
			above := moved[strings.TrimSuffix(parent, "/")]
			if f.Info.IsDir() && (above || copied.dirs[f.Path] != inodeOf(f.Info)) {
				moved[f.Path] = true
			}
			// The root may have another mode than in the tree.
			if old == nil || f.Path == "" || above || moved[f.Path] || changed(f.Info) {
				return meta(f)
			}
			c.same[f.Path] = old
			return old.Meta(), nil
		},
		Blob: func(f tree.HostFile) (tree.Blob, bool) {
			if old := c.same[f.Path]; old != nil {
				return old.Blob(), true
			}
			return tree.Blob{}, false
		},
	}
	now, err := reader.ReadDir(ctx, dir)
	if err != nil {
		return nil, err
	}
	out, err := c.tree(base, now, "")
	return &upperDir{base: base, out: out}, err
}

// copyReader holds the state of [Runner.readCopy] while it compares a copy with the
// original tree.
type copyReader struct {
	upperReader
	r    *Runner
	same map[string]*tree.Node // unchanged nodes of base by path; entries of a directory may have changed
}

// tree returns the result for one directory of a copy. The parameter base is the directory
// before the step, current is the same directory after the step, and at is its path. For
// unchanged files, the result contains the nodes from before the step. It lacks unused mount
// points and 0/0 character devices (whiteouts), which no process could create in an overlay.
// It includes nodes that could not be copied, such as devices.
func (c *copyReader) tree(base, current *tree.Node, at string) (*tree.Node, error) {
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
		name := path.Join(at, e.Name)
		n := e.Upper
		switch {
		case n == nil && c.r.omits(e.Lower):
			n = e.Lower
		case n == nil:
			continue
		case n.Kind() == tree.Dir:
			if n, err = c.tree(e.Lower, n, name); err != nil {
				return nil, err
			}
		case c.same[name] != nil:
			n = c.same[name]
		case e.Lower != nil && n.Same(e.Lower.WithInode("")): // the copy has no hard links
			n = e.Lower
		}
		if e.Upper == nil || !c.isStub(name, n) && !n.IsWhiteout() {
			list = append(list, tree.Entry{Name: e.Name, Node: n})
		}
	}
	return c.restoreTime(base, newDir(current.Meta(), list), at), nil
}
