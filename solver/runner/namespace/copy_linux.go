package namespace

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// refusesUpper reports whether the file system of a directory cannot hold the upper
// directory of an overlay. The kernel rejects overlays, as in containers without a
// volume, FUSE and network file systems.
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

// Copies reports whether processes run in copies of their trees. This is slow, and
// necessary if the file system of the runner's directory cannot hold the upper
// directory of an overlay.
func (r *Runner) Copies() bool { return r.copies }

// copy writes a whole tree into a new directory, and then a mark file. The mark is
// newer than all of the copy and older than any change by processes.
func (r *Runner) copy(ctx context.Context, m *runner.Mount, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	opt := tree.HostOptions{Owners: true, OneOwner: r.oneOwner}
	if err := tree.WriteDir(ctx, dir, r.withoutDevices(m.Base()), r.store, opt); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	// The clock of file systems advances only every few milliseconds.
	for ctx.Err() == nil {
		if err := os.WriteFile(markOf(dir), nil, 0o600); err != nil {
			return err
		}
		mark, err := os.Stat(markOf(dir))
		if err != nil {
			return err
		}
		last, err := os.Stat(dir)
		if err != nil || !changeTime(last).Equal(changeTime(mark)) {
			return err
		}
	}
	return context.Cause(ctx)
}

func markOf(copied string) string { return copied + ".mark" }

// changeTime returns the time of the last change of a file or its metadata. Processes
// cannot set it.
func changeTime(info fs.FileInfo) time.Time {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}
	}
	return time.Unix(st.Ctim.Unix())
}

// changedCopy reads a copy of base after a process ran in it. The result does not
// include mount points that the process left untouched.
func (r *Runner) changedCopy(ctx context.Context, base *tree.Node, dir string, stubs map[string]bool) (*written, error) {
	mark, err := os.Stat(markOf(dir))
	if err != nil {
		return nil, err
	}
	c := copied{r: r, overlaid: overlaid{stubs: stubs, began: mark.ModTime()}, same: map[string]*tree.Node{}}
	meta := r.metaOver(base)
	reader := tree.HostReader{
		Store: r.store, Origin: string(base.ID()),
		Meta: func(f tree.HostFile) tree.Meta {
			old := base.Get(f.Path)
			// The root may have another mode than in the tree.
			if old == nil || f.Path == "" || !changeTime(f.Info).Before(changeTime(mark)) {
				return meta(f)
			}
			c.same[f.Path] = old
			return old.Meta()
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
	return &written{base: base, out: c.tree(base, now, "")}, nil
}

// copied is the state of reading a copy of a tree.
type copied struct {
	overlaid
	r    *Runner
	same map[string]*tree.Node // files and directories that did not change themselves
}

// tree returns a directory of the copy without unused mount points, and without devices
// 0/0, which no process can create in an overlay. It adds the nodes of base that cannot
// be copied.
func (c *copied) tree(base, now *tree.Node, at string) *tree.Node {
	below := func(name string) *tree.Node {
		if base == nil || base.Kind() != tree.Dir {
			return nil
		}
		return base.Child(name)
	}
	var list []tree.Entry
	for _, e := range now.Entries() {
		name := path.Join(at, e.Name)
		n := e.Node
		switch {
		case n.Kind() == tree.Dir:
			n = c.tree(below(e.Name), n, name)
		case c.same[name] != nil:
			n = c.same[name]
		}
		if !c.isStub(name, n) && !n.IsWhiteout() {
			list = append(list, tree.Entry{Name: e.Name, Node: n})
		}
	}
	if base != nil && base.Kind() == tree.Dir {
		for _, e := range base.Entries() {
			if c.r.omits(e.Node) && now.Child(e.Name) == nil {
				list = append(list, e)
			}
		}
	}
	return c.timed(base, newDir(now.Meta(), list), at)
}
