package fileop

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
	fscopy "github.com/tonistiigi/fsutil/copy"

	"slipway/internal/slowtest"
	"slipway/internal/testtree"
	"slipway/solver/tree"
)

// TestCopyAsBuildKit performs random copy actions on random trees, and checks that the
// results are the same as with the library fsutil, which BuildKit uses. It sets owners
// only if the test runs as root.
func TestCopyAsBuildKit(t *testing.T) {
	slowtest.Skip(t, "copies hundreds of trees")
	const rounds = 400
	copied := 0
	for seed := range uint64(rounds) {
		c := newCopyCase(t, seed)
		if c.dangling() {
			continue // the library differs: it follows dangling links twice
		}
		want, wantErr := c.library()
		got, gotErr := c.ours()
		if errors.Is(wantErr, syscall.ENOTDIR) {
			// The library reads directories that it does not copy. It fails if the
			// destination has a file at the path of one of them.
			continue
		}
		if (wantErr == nil) != (gotErr == nil) {
			t.Fatalf("seed %d: %v\nlibrary: %v\nours: %v\nsource\n%sdestination\n%s", seed, c.action, wantErr, gotErr, show(c.src), show(c.dst))
		}
		if wantErr != nil {
			continue
		}
		copied++
		if show(want) != show(got) {
			t.Fatalf("seed %d: %v\nsource\n%sdestination\n%slibrary\n%sours\n%s", seed, c.action, show(c.src), show(c.dst), show(want), show(got))
		}
	}
	if copied < rounds/4 {
		t.Errorf("only %d of %d copies worked", copied, rounds)
	}
}

// maxTime is later than all modification times of the copied trees, in seconds since 1970.
const maxTime = 1000

// fastDir returns a new directory, in memory if the system has /dev/shm, because the test
// creates many files.
func fastDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "slipway-test-") //nolint:usetesting // t.TempDir is on disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// copyCase is a random copy action with its source and destination trees.
type copyCase struct {
	t        *testing.T
	store    *tree.Store
	src, dst *tree.Node
	action   *pb.FileActionCopy
	owner    *ids
}

// newCopyCase returns a random copy action with its trees. Equal seeds yield equal actions.
func newCopyCase(t *testing.T, seed uint64) *copyCase {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	s, err := tree.OpenStore(fastDir(t))
	if err != nil {
		t.Fatal(err)
	}
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	c := &copyCase{t: t, store: s}
	c.src, c.dst = randomTree(t, r, s, 2), randomTree(t, r, s, 2)
	c.action = &pb.FileActionCopy{
		Src:             pick("/", "/a", "/b", "/a/b", "/a/", "/c/", "/a*", "/*", "/a/*", "/?", "/[ab]", "/a/../b", "/none", "/b/c"),
		Dest:            pick("/", "/x", "/x/", "/a", "/a/", "/a/b", "/b/", "/x/y/z", "/x/y/", "/c", "/a/."),
		Mode:            -1,
		Timestamp:       []int64{-1, -1, -1, 5e9 + 7}[r.IntN(4)],
		CreateDestPath:  r.IntN(5) > 0,
		DirCopyContents: r.IntN(3) > 0,
		FollowSymlink:   r.IntN(2) > 0,
		AllowWildcard:   r.IntN(4) > 0,
	}
	c.action.AllowEmptyWildcard = r.IntN(2) > 0
	if r.IntN(4) == 0 {
		c.action.IncludePatterns = []string{pick("a", "b", "a/b", "*/b", "**/c", "a*")}
	}
	if r.IntN(4) == 0 {
		c.action.ExcludePatterns = [][]string{{"a"}, {"*/b"}, {"**/a", "!a/a"}, {"*", "!b"}, {"b*"}}[r.IntN(5)]
	}
	switch r.IntN(4) {
	case 0:
		c.action.Mode = int32(r.IntN(0o10000))
	case 1:
		c.action.ModeStr = pick("u+x", "go-rwx", "a=rX", "+t")
	}
	if r.IntN(4) == 0 && os.Geteuid() == 0 {
		c.owner = &ids{uint32(r.IntN(100)), uint32(r.IntN(100))}
	}
	if r.IntN(4) == 0 {
		c.action.AlwaysReplaceExistingDestPaths = true
	}
	return c
}

// randomTree returns a tree with files, directories and links. Their names are short, so
// that the paths of source and destination often collide.
func randomTree(t *testing.T, r *rand.Rand, s *tree.Store, depth int) *tree.Node {
	t.Helper()
	meta := tree.Meta{Mode: 0o700 | uint32(r.IntN(0o1000)), ModTime: time.Unix(r.Int64N(maxTime), 0).UTC()}
	var entries []tree.Entry
	for _, name := range []string{"a", "b", "c"} {
		m := tree.Meta{Mode: 0o400 | uint32(r.IntN(0o1000)), ModTime: meta.ModTime}
		switch k := r.IntN(6); {
		case k < 2 && depth > 0:
			entries = append(entries, tree.Entry{Name: name, Node: randomTree(t, r, s, depth-1)})
		case k == 2:
			m.Mode = 0o777
			target := []string{"a", "b", "../b", "/a", "/c/b", "none"}[r.IntN(6)]
			entries = append(entries, tree.Entry{Name: name, Node: tree.NewSymlink(m, target)})
		case k < 5:
			b, err := s.PutBytes([]byte(strings.Repeat(name, r.IntN(4))))
			if err != nil {
				t.Fatal(err)
			}
			entries = append(entries, tree.Entry{Name: name, Node: tree.NewFile(m, b)})
		}
	}
	n, err := tree.NewDir(meta, entries)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// dangling reports whether the destination path leads through a symbolic link to a path
// that does not exist.
func (c *copyCase) dangling() bool {
	name := filepath.Clean(c.action.Dest)
	at, err := c.dst.Resolve(name, true)
	return err != nil || "/"+at != name && testtree.Must(c.dst.Get(at)) == nil
}

// ours performs the copy with package fileop and returns the changed destination tree.
func (c *copyCase) ours() (*tree.Node, error) {
	r := &run{ctx: c.t.Context(), env: Env{Store: c.store, Now: time.Now}}
	e := tree.Edit(c.dst)
	e.Touch(time.Now)
	if err := r.copy(e, c.src, c.action, c.owner); err != nil {
		return nil, err
	}
	return e.Tree(), nil
}

// library writes the trees to disk, copies with the library fsutil as BuildKit does, and
// returns the changed destination tree.
func (c *copyCase) library() (*tree.Node, error) {
	src, dst := fastDir(c.t), fastDir(c.t)
	opt := tree.HostOptions{Owners: os.Geteuid() == 0}
	for dir, n := range map[string]*tree.Node{src: c.src, dst: c.dst} {
		if err := tree.WriteDir(c.t.Context(), dir, n, c.store, opt); err != nil {
			c.t.Fatal(err)
		}
	}
	a := c.action
	if !a.CreateDestPath {
		if at, err := c.dst.Resolve(a.Dest, true); err != nil || parentOf(at) != "" && testtree.Must(c.dst.Get(parentOf(at))) == nil {
			return nil, fmt.Errorf("no parent of %s: %w", a.Dest, err)
		}
	}
	names := []string{a.Src}
	if a.AllowWildcard {
		var err error
		if names, err = fscopy.ResolveWildcards(src, a.Src, a.FollowSymlink); err != nil {
			return nil, err
		}
		if len(names) == 0 && !a.AllowEmptyWildcard {
			return nil, os.ErrNotExist
		}
	}
	for _, name := range names {
		err := fscopy.Copy(context.Background(), src, name, dst, a.Dest, func(ci *fscopy.CopyInfo) {
			ci.IncludePatterns, ci.ExcludePatterns = a.IncludePatterns, a.ExcludePatterns
			ci.CopyDirContents, ci.FollowLinks = a.DirCopyContents, a.FollowSymlink
			ci.AlwaysReplaceExistingDestPaths = a.AlwaysReplaceExistingDestPaths
			if ci.ModeStr = a.ModeStr; a.ModeStr == "" && a.Mode != -1 {
				m := int(a.Mode)
				ci.Mode = &m
			}
			if a.Timestamp != -1 {
				at := time.Unix(0, a.Timestamp)
				ci.Utime = &at
			}
			if c.owner != nil {
				ci.Chown = func(*fscopy.User) (*fscopy.User, error) {
					return &fscopy.User{UID: int(c.owner.uid), GID: int(c.owner.gid)}, nil
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	r := tree.HostReader{Store: c.store, Meta: func(f tree.HostFile) (tree.Meta, error) {
		if os.Geteuid() != 0 {
			f.Meta.UID, f.Meta.GID = 0, 0
		}
		return f.Meta, nil
	}}
	return r.ReadDir(c.t.Context(), dst)
}

// show describes a tree, with one line per path. It omits the modes of symbolic links,
// because links have no modes on Linux. It also omits modification times that are the time
// of the copy.
func show(n *tree.Node) string {
	var b strings.Builder
	_ = tree.Diff(nil, n, func(c tree.Change) error {
		m := c.Node.Meta()
		if c.Node.Kind() == tree.Symlink {
			m.Mode = 0o777
		}
		at := "new"
		if m.ModTime.Before(time.Unix(maxTime, 0)) {
			at = fmt.Sprint(m.ModTime.UnixNano())
		}
		fmt.Fprintf(&b, "%s %s %04o %d:%d %d %s %s\n", filepath.Join("/", c.Path), c.Node.Kind(), m.Mode, m.UID, m.GID, c.Node.Blob().Size, c.Node.Target(), at)
		return nil
	})
	return b.String()
}
