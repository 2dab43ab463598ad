//go:build integration

package cachekeys

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"slipway/solver/contenthash"
	"slipway/solver/tree"
)

// generator generates random directories, and random selectors of files in them.
type generator struct {
	*rand.Rand
	t *testing.T
}

func names() []string {
	return []string{"a", "b", "a-b", "a.txt", "b.md", "ab", "a b", "é", "-", ".hidden"}
}

func (g generator) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g generator) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g generator) dir(path string, depth int) {
	g.must(os.MkdirAll(path, 0o755))
	names := names()
	for _, i := range g.Perm(len(names))[:g.IntN(len(names))] {
		g.node(filepath.Join(path, names[i]), depth)
	}
	g.must(os.Chmod(path, os.ModeSticky*os.FileMode(g.IntN(2))|0o700|os.FileMode(g.IntN(0o100))))
}

func (g generator) node(p string, depth int) {
	switch g.IntN(6) {
	case 0, 1:
		if depth > 0 {
			g.dir(p, depth-1)
		}
	case 2:
		g.must(os.Symlink(g.pick("a", "b", "/a", "../b", "/", ".", "nowhere", "a/b", "/ab/a"), p))
	default:
		g.must(os.WriteFile(p, []byte(g.pick("", "x", "y")), 0o600))
		if os.Geteuid() == 0 && g.IntN(4) == 0 {
			g.must(os.Lchown(p, g.IntN(3), 1000*g.IntN(3)))
		}
		g.must(os.Chmod(p, os.FileMode(g.IntN(0o1000))|[]os.FileMode{0, os.ModeSetuid, os.ModeSticky}[g.IntN(3)]))
	}
}

func (g generator) path() string {
	p := ""
	for range 1 + g.IntN(3) {
		p += "/" + g.pick(names()...)
	}
	return g.pick("/", p, p, p)
}

func (g generator) selector() contenthash.Selector {
	s := contenthash.Selector{Path: g.path(), FollowLinks: g.IntN(2) == 0}
	if g.IntN(3) == 0 {
		s.Wildcard, s.Path = true, g.pick("/*", "/a*", "/*/a", "/a/*", "/a/b*", "/ab/*/*", "/?", "/[a-b]", "/*.txt", "/a/[", "/é*", "/*/*/*")
	}
	for _, list := range []*[]string{&s.Include, &s.Exclude} {
		for range g.IntN(3) {
			*list = append(*list, g.pick("a", "*", "a*", "**/a", "a/*", "**", "*.txt", "a/b", "!a", "!a/b", "**/*.md", "b/", "?"))
		}
	}
	if g.IntN(8) == 0 {
		s.Required = []string{g.path()}
	}
	return s
}

// TestFiles checks that our content digests equal BuildKit's for random selections of files
// from random directories.
func TestFiles(t *testing.T) {
	o := startOracle(t)
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for seed := range uint64(60) {
		g := generator{rand.New(rand.NewPCG(seed, 0)), t}
		dir := filepath.Join(t.TempDir(), "tree")
		g.dir(dir, 3)
		root, err := tree.HostReader{Store: store}.ReadDir(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		h := contenthash.New(store)
		for range 100 {
			s := g.selector()
			want := o.ask(t, question{
				Dir: dir, Path: s.Path, FollowLinks: s.FollowLinks, Wildcard: s.Wildcard,
				IncludePatterns: s.Include, ExcludePatterns: s.Exclude, RequiredPaths: s.Required,
			})
			got, err := h.Sum(t.Context(), contenthash.Tree{Root: root}, []contenthash.Selector{s})
			if err == nil {
				found++
			}
			if (err == nil) != (want.Error == "") || err == nil && got != digest.FromString(string(want.Digest)) {
				t.Errorf("seed %d, %+v:\nBuildKit %s %s\nours     %s %v", seed, s, digest.FromString(string(want.Digest)), want.Error, got, err)
			}
		}
	}
	if found < 2000 {
		t.Errorf("only %d selections exist", found)
	}
}
