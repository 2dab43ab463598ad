package tree

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// gardener generates random trees. The same seed gives the same trees.
type gardener struct {
	*rand.Rand
	store *Store
	t     *testing.T
}

func newGardener(t *testing.T, seed uint64) *gardener {
	t.Helper()
	return &gardener{Rand: rand.New(rand.NewPCG(seed, 1)), store: testStore(t), t: t}
}

func testStore(t testing.TB) *Store {
	t.Helper()
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (g *gardener) meta() Meta {
	m := Meta{
		Mode: uint32(g.IntN(0o10000)), UID: uint32(g.IntN(3)), GID: uint32(g.IntN(3)) * 100_000,
		ModTime: time.Unix(int64(g.IntN(100)), int64(g.IntN(2))*500).UTC(),
	}
	if g.IntN(5) == 0 {
		m.Xattrs = []Xattr{{"security.capability", "\x00\x01"}, {"user.b", ""}}
	}
	return m
}

func (g *gardener) leaf() *Node {
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

func (g *gardener) tree(depth int) *Node {
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

// change returns a tree with a few random changes.
func (g *gardener) change(n *Node) *Node {
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
			if _, _, ok := e.Stat(name); ok {
				err = e.SetMeta(name, g.meta())
			}
		case 2:
			_, err = e.MkdirAll(name+"/new/er", g.meta())
		default:
			err = e.Put(strings.TrimPrefix(name+fmt.Sprintf("/n%d", g.IntN(3)), "/"), g.tree(g.IntN(3)))
		}
		_ = err // some changes are impossible, which is fine
	}
	return e.Tree()
}

// path returns the path of a random node of a tree.
func (g *gardener) path(n *Node) string {
	name := ""
	for n.kind == Dir && len(n.entries) > 0 && g.IntN(4) > 0 {
		e := n.entries[g.IntN(len(n.entries))]
		name, n = name+"/"+e.Name, e.Node
	}
	return strings.TrimPrefix(name, "/")
}
