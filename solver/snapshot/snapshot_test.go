package snapshot

import (
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/tree"
)

// dir returns a tree with an empty regular file for each name.
func dir(t *testing.T, names ...string) *tree.Node {
	t.Helper()
	e := tree.Edit(tree.Empty())
	for _, name := range names {
		if err := e.Put(name, tree.NewFile(tree.Meta{Mode: 0o644}, tree.Blob{Digest: digest.FromString(name)})); err != nil {
			t.Fatal(err)
		}
	}
	return e.Tree()
}

func root(s *Snapshot) *tree.Node { return must(s.Tree()) }

func layers(s *Snapshot) []Layer { return must(s.Layers()) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// names returns the names of the files in the root directory of a snapshot.
func names(s *Snapshot) []string {
	var list []string
	for _, e := range must(root(s).Entries()) {
		list = append(list, e.Name)
	}
	return list
}

// TestMaxLayers checks that CheckLayers returns an error for more than 1024 layers.
func TestMaxLayers(t *testing.T) {
	for n, want := range map[int]string{0: "", 1024: "", 1025: "has more than 1024 layers", 2048: "has more than 1024 layers"} {
		got := ""
		if err := CheckLayers(n); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%d layers: %q, want %q", n, got, want)
		}
	}
}

// TestNil checks that all functions treat a nil snapshot as an empty tree without layers.
func TestNil(t *testing.T) {
	var none *Snapshot
	for about, s := range map[string]*Snapshot{"nil": none, "merged": must(Merge([]*Snapshot{none, none})), "difference": must(Diff(none, none)), "no tree": New(nil, nil)} {
		if root(s) == nil || len(names(s)) != 0 || len(layers(s)) != 0 || s.ID() != "" {
			t.Errorf("%s: %v with %d layers, want an empty tree without layers", about, names(s), len(layers(s)))
		}
	}
	if s := none.WithID("x"); s != nil {
		t.Errorf("WithID of nil: %v, want nil", s)
	}
}

// TestWith checks that With adds a layer, and that several calls on one snapshot affect
// neither this snapshot nor each other's results.
func TestWith(t *testing.T) {
	blob := &LayerBlob{DiffID: "sha256:b"}
	stacked := (*Snapshot)(nil).With(dir(t, "a")).WithBlob(dir(t, "a", "b"), blob)
	base := New(root(stacked), slices.Grow(layers(stacked), 5)).WithID("base") // spare capacity for layers must not be shared
	one, two := base.With(dir(t, "one")), base.With(dir(t, "two"))
	for _, tc := range []struct {
		s      *Snapshot
		id     digest.Digest
		names  []string
		layers int
	}{{base, "base", []string{"a", "b"}, 2}, {one, "", []string{"one"}, 3}, {two, "", []string{"two"}, 3}} {
		if got := names(tc.s); !slices.Equal(got, tc.names) || len(layers(tc.s)) != tc.layers || tc.s.ID() != tc.id {
			t.Errorf("%v with %d layers, id %q, want %v with %d, id %q", got, len(layers(tc.s)), tc.s.ID(), tc.names, tc.layers, tc.id)
		}
	}
	list := layers(one)
	if top := list[2]; top.Lower.ID() != base.Ref().ID() || top.Upper.ID() != one.Ref().ID() || top.Blob != nil {
		t.Errorf("top layer: %v, want the difference of base and its result", top)
	}
	if list[1].Blob != blob || list[0].Blob != nil {
		t.Errorf("blobs of the lower layers: %v and %v, want nil and the blob of the image", list[0].Blob, list[1].Blob)
	}
	if empty := base.With(root(base)); len(layers(empty)) != 3 {
		t.Errorf("%d layers after one that changes nothing, want 3", len(layers(empty)))
	}
}

// TestMerge checks that Merge applies the layers of all snapshots in order.
func TestMerge(t *testing.T) {
	var none *Snapshot
	base := none.With(dir(t, "a", "b"))
	removed := New(dir(t, "a"), []Layer{{LayerRef: tree.Layer{Lower: dir(t, "a", "b"), Upper: dir(t, "a")}.Ref()}})
	for _, tc := range []struct {
		about  string
		list   []*Snapshot
		names  []string
		layers int
	}{
		{"one", []*Snapshot{base}, []string{"a", "b"}, 1},
		{"two", []*Snapshot{base, none.With(dir(t, "c"))}, []string{"a", "b", "c"}, 2},
		{"with an empty tree", []*Snapshot{nil, base, nil}, []string{"a", "b"}, 1},
		{"one that removes a file", []*Snapshot{base, removed}, []string{"a"}, 2},
		{"one that removes a file that is added later", []*Snapshot{removed, base}, []string{"a", "b"}, 2},
	} {
		s := must(Merge(tc.list))
		if got := names(s); !slices.Equal(got, tc.names) || len(layers(s)) != tc.layers {
			t.Errorf("%s: %v with %d layers, want %v with %d", tc.about, got, len(layers(s)), tc.names, tc.layers)
		}
	}
}

// TestDiff checks that the difference contains the added layers if the upper snapshot is
// based on the lower one. If it is not based on the lower one, the difference must have
// one layer with all changes.
func TestDiff(t *testing.T) {
	var none *Snapshot
	lower := none.With(dir(t, "a"))
	upper := lower.With(dir(t, "a", "b")).With(dir(t, "a", "b", "c"))
	for _, tc := range []struct {
		about        string
		lower, upper *Snapshot
		layers       int
		names        []string
	}{
		{"upper based on lower", lower, upper, 2, []string{"b", "c"}},
		{"equal snapshots", upper, upper, 0, nil},
		{"lower is nil", none, upper, 3, []string{"a", "b", "c"}},
		{"other layers", none.With(dir(t, "a", "x")), upper, 1, []string{"b", "c"}},
		{"more layers than the upper one", upper, lower, 1, nil},
	} {
		d := must(Diff(tc.lower, tc.upper))
		if got := names(d); len(layers(d)) != tc.layers || !slices.Equal(got, tc.names) {
			t.Errorf("%s: %d layers with %v, want %d with %v", tc.about, len(layers(d)), got, tc.layers, tc.names)
		}
	}
}

// TestStoreBlob checks that StoreBlob returns the digest and size of the compressed
// archive.
func TestStoreBlob(t *testing.T) {
	b := LayerBlob{Descriptor: ocispecs.Descriptor{Digest: "sha256:c", Size: 3}, DiffID: "sha256:u"}
	if got, want := b.StoreBlob(), (tree.Blob{Digest: "sha256:c", Size: 3}); got != want {
		t.Errorf("StoreBlob: %v, want the compressed blob %v", got, want)
	}
}
