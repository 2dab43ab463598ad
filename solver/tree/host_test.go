package tree

import (
	"os"
	"testing"
)

// TestHost checks that a tree written to the host is read back unchanged. Owners and
// devices are compared only if the test may set them.
func TestHost(t *testing.T) {
	for seed := range uint64(20) {
		g := newGardener(t, seed)
		n := g.tree(4)
		if n.kind != Dir {
			continue
		}
		opt := HostOptions{Owners: os.Geteuid() == 0}
		n = plain(t, n, opt.Owners)
		dir := t.TempDir()
		if err := WriteDir(t.Context(), dir, n, g.store, opt); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		r := HostReader{Store: g.store, Meta: func(f HostFile) Meta {
			m := f.Meta
			if !opt.Owners {
				m.UID, m.GID = 0, 0
			}
			if f.Info.Mode()&os.ModeSymlink != 0 {
				m.Mode = 0o777
			}
			return m
		}}
		got, err := r.ReadDir(t.Context(), dir)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if got.Digest() != n.Digest() || got.ID() != n.ID() {
			t.Fatalf("seed %d: got\n%swant\n%s", seed, list(got), list(n))
		}
	}
}

// plain changes a tree so that every file system can store it and the test can read it
// back.
func plain(t *testing.T, n *Node, owners bool) *Node {
	t.Helper()
	m := n.meta
	m.Mode |= 0o700
	m.Xattrs = nil
	if !owners {
		m.UID, m.GID, m.Mode = 0, 0, m.Mode&0o777
	}
	if n.kind == Symlink {
		m.Mode = 0o777
	}
	if n.kind != Dir {
		return n.WithMeta(m)
	}
	var entries []Entry
	for _, e := range n.entries {
		if owners || e.Node.kind == Dir || e.Node.kind == File || e.Node.kind == Symlink {
			entries = append(entries, Entry{e.Name, plain(t, e.Node, owners)})
		}
	}
	d, err := NewDir(m, entries)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
