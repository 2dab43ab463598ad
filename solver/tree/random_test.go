package tree

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// generator generates random trees. The same seed yields the same trees.
type generator struct {
	*rand.Rand
	store *Store
	t     *testing.T
}

// newGenerator returns a generator with a new store.
func newGenerator(t *testing.T, seed uint64) *generator {
	t.Helper()
	return &generator{Rand: rand.New(rand.NewPCG(seed, 1)), store: testStore(t), t: t}
}

// testStore returns a store in a temporary directory.
func testStore(t testing.TB) *Store {
	t.Helper()
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// meta returns random metadata.
func (g *generator) meta() Meta {
	m := Meta{
		Mode: uint32(g.IntN(0o10000)), UID: uint32(g.IntN(3)), GID: uint32(g.IntN(3)) * 100_000,
		ModTime: time.Unix(int64(g.IntN(100)), int64(g.IntN(2))*500).UTC(),
	}
	if g.IntN(5) == 0 {
		m.Xattrs = []Xattr{{"security.capability", "\x00\x01"}, {"user.b", ""}}
	}
	return m
}

// leaf returns a random node that is not a directory.
func (g *generator) leaf() *Node {
	switch g.IntN(8) {
	case 0:
		m := g.meta()
		m.Mode = 0o777
		return NewSymlink(m, []string{"a", "../b", "/a/b", "nowhere"}[g.IntN(4)])
	case 1:
		return NewDevice(CharDevice, g.meta(), Device{uint32(g.IntN(300)), uint32(g.IntN(300))})
	case 2:
		return NewDevice(Fifo, g.meta(), Device{})
	}
	b, err := g.store.PutBytes([]byte(strings.Repeat("x", g.IntN(4))))
	if err != nil {
		g.t.Fatal(err)
	}
	return NewFile(g.meta(), b)
}

// tree returns a random tree with at most depth levels of directories.
func (g *generator) tree(depth int) *Node {
	if depth == 0 || g.IntN(4) == 0 && depth < 3 {
		return g.leaf()
	}
	var entries []Entry
	for i := range g.IntN(5) {
		entries = append(entries, Entry{string(rune('a' + i)), g.tree(depth - 1)})
	}
	n, err := NewDir(g.meta(), entries)
	if err != nil {
		g.t.Fatal(err)
	}
	return n
}

// must returns v, and panics if err is not nil.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// change returns a copy of the tree n with a few random changes.
func (g *generator) change(n *Node) *Node {
	e := Edit(n)
	for range 1 + g.IntN(5) {
		name := g.path(n)
		var err error
		switch g.IntN(5) {
		case 0:
			if name != "" {
				err = e.Remove(name)
			}
		case 1:
			if kind, _, _ := e.Stat(name); kind != 0 {
				err = e.SetMeta(name, g.meta())
			}
		case 2:
			_, err = e.MkdirAll(name+"/new/er", g.meta())
		default:
			err = e.Put(strings.TrimPrefix(name+fmt.Sprintf("/n%d", g.IntN(3)), "/"), g.tree(g.IntN(3)))
		}
		_ = err // some random changes are impossible
	}
	return e.Tree()
}

// path returns the path of a randomly chosen node in the tree n.
func (g *generator) path(n *Node) string {
	name := ""
	for n.kind == Dir && !n.IsEmpty() && g.IntN(4) > 0 {
		entries := must(n.Entries())
		e := entries[g.IntN(len(entries))]
		name, n = name+"/"+e.Name, e.Node
	}
	return strings.TrimPrefix(name, "/")
}
