package layersize

import (
	"fmt"
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// editor edits a tree in a test.
type editor struct {
	*testing.T
	*tree.Editor
}

// put adds a file of a size. Files with the same size have the same content.
func (e editor) put(name string, size int64, mode uint32) {
	e.Helper()
	if _, err := e.MkdirAll(path.Dir(name), tree.Meta{Mode: 0o755}); err != nil {
		e.Fatal(err)
	}
	if err := e.Put(name, file(size, mode)); err != nil {
		e.Fatal(err)
	}
}

func file(size int64, mode uint32) *tree.Node {
	return tree.NewFile(tree.Meta{Mode: mode}, tree.Blob{Digest: digest.FromString(fmt.Sprint(size)), Size: size})
}

// layer returns the layer of the changes that the function above makes to a tree that the function
// below makes.
func layer(t *testing.T, below, above func(editor)) tree.Layer {
	t.Helper()
	lower := tree.Edit(tree.Empty())
	below(editor{t, lower})
	l := tree.Layer{Lower: lower.Tree()}
	upper := tree.Edit(l.Lower)
	above(editor{t, upper})
	l.Upper = upper.Tree()
	return l
}

// TestOf checks what counts as a file of a layer, as unchanged, and as hidden.
func TestOf(t *testing.T) {
	below := func(e editor) {
		e.put("etc/a", 10, 0o644)
		e.put("etc/b", 20, 0o644)
		e.put("old/x/c", 40, 0o644)
		e.put("old/d", 80, 0o644)
	}
	for _, tc := range []struct {
		about string
		above func(editor)
		want  Size
	}{
		{"nothing", func(editor) {}, Size{Largest: []Path{}}},
		{"a new file", func(e editor) { e.put("new", 5, 0o644) }, Size{Files: 1, Bytes: 5, Largest: []Path{{"new", 1, 5}}}},
		{"an empty file", func(e editor) { e.put("new", 0, 0o644) }, Size{Files: 1, Largest: []Path{}}},
		{"another mode", func(e editor) { e.put("etc/a", 10, 0o600) }, Size{Files: 1, Bytes: 10, Unchanged: 10, Hidden: 10, Largest: []Path{{"etc/a", 1, 10}}}},
		{"other content", func(e editor) { e.put("etc/a", 11, 0o644) }, Size{Files: 1, Bytes: 11, Hidden: 10, Largest: []Path{{"etc/a", 1, 11}}}},
		{"a removed directory", func(e editor) { _ = e.Remove("old") }, Size{Hidden: 120, Largest: []Path{}}},
		{"a file in place of a directory", func(e editor) {
			_ = e.Remove("old")
			e.put("old", 3, 0o644)
		}, Size{Files: 1, Bytes: 3, Hidden: 120, Largest: []Path{{"old", 1, 3}}}},
		{"a directory in place of a file", func(e editor) {
			_ = e.Remove("etc/b")
			e.put("etc/b/c", 3, 0o644)
		}, Size{Files: 1, Bytes: 3, Hidden: 20, Largest: []Path{{"etc/b/c", 1, 3}}}},
		{"hard links", func(e editor) {
			for _, name := range []string{"l1", "l2"} {
				if err := e.Put(name, file(7, 0o644).WithInode("1")); err != nil {
					e.Fatal(err)
				}
			}
		}, Size{Files: 1, Bytes: 7, Largest: []Path{{"l1", 1, 7}}}},
	} {
		got, err := Of(layer(t, below, tc.above))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.about, diff)
		}
	}
}

// TestLargest checks that the paths are as deep as possible, but contain most of the bytes.
func TestLargest(t *testing.T) {
	for _, tc := range []struct {
		about string
		above func(editor)
		want  []Path
	}{
		{"two directories and a remainder", func(e editor) {
			for i := range int64(100) {
				e.put(fmt.Sprintf("usr/lib/f%d", i), 1000+i, 0o644)
			}
			e.put("usr/share/doc/large", 30000, 0o644)
			e.put("etc/conf", 10, 0o644)
		}, []Path{{"usr/lib", 100, 104950}, {"usr/share/doc/large", 1, 30000}}},
		{"small files only", func(e editor) {
			for i := range int64(100) {
				e.put(fmt.Sprintf("cache/d%d/f", i), 10+i, 0o644)
			}
		}, []Path{{"cache", 100, 5950}}},
		{"six equal directories", func(e editor) {
			for i := range int64(6) {
				e.put(fmt.Sprintf("opt/d%d/f", i), 100, 0o644)
			}
		}, []Path{{"opt", 6, 600}}},
		{"equal sizes", func(e editor) {
			for _, name := range []string{"c", "a", "b"} {
				e.put(name, 100, 0o644)
			}
		}, []Path{{"a", 1, 100}, {"b", 1, 100}, {"c", 1, 100}}},
	} {
		got, err := Of(layer(t, func(editor) {}, tc.above))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got.Largest); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.about, diff)
		}
	}
}
