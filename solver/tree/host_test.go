package tree

import (
	"os"
	"testing"
)

// TestHost checks that WriteDir and ReadDir preserve random trees. It includes owners and
// devices only if the test runs as root.
func TestHost(t *testing.T) {
	for seed := range uint64(20) {
		g := newGenerator(t, seed)
		n := g.tree(4)
		if n.kind != Dir {
			continue
		}
		opt := HostOptions{Owners: os.Geteuid() == 0}
		n = storable(t, n, opt.Owners)
		dir := t.TempDir()
		if err := WriteDir(t.Context(), dir, n, g.store, opt); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		r := HostReader{Store: g.store, Meta: func(f HostFile) (Meta, error) {
			m := f.Meta
			if !opt.Owners {
				m.UID, m.GID = 0, 0
			}
			if f.Info.Mode()&os.ModeSymlink != 0 {
				m.Mode = 0o777
			}
			return m, nil
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

// storable returns a copy of a tree that every file system can store and the test can read.
// If owners is false, the copy has neither owners nor devices.
func storable(t *testing.T, n *Node, owners bool) *Node {
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
	for _, e := range must(n.Entries()) {
		if owners || e.Node.kind == Dir || e.Node.kind == File || e.Node.kind == Symlink {
			entries = append(entries, Entry{e.Name, storable(t, e.Node, owners)})
		}
	}
	d, err := NewDir(m, entries)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
