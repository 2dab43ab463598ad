package namespace

import (
	"fmt"
	"testing"

	"slipway/internal/testtree"
	"slipway/solver/tree"
)

// TestMergeLayers checks that each group of maxLowers layers becomes one layer, that merged
// layers yield the same tree, and that adding a layer does not change them. The lower tree of
// some layers is not the upper tree of the preceding layer, as with COPY --link.
func TestMergeLayers(t *testing.T) {
	for about, linked := range map[string]func(i int) bool{
		"in sequence":          func(int) bool { return false },
		"one merge at the end": func(i int) bool { return i == 2*maxLowers-1 },
		"merges":               func(i int) bool { return i%7 == 3 },
	} {
		m := &merger{}
		var layers, before []tree.LayerRef
		n := tree.Empty()
		for i := range 3*maxLowers + 10 {
			lower := n
			if linked(i) {
				lower = tree.Empty()
			}
			add := func(to *tree.Node) *tree.Node {
				e := tree.Edit(to)
				if err := e.Put(fmt.Sprint(i%maxLowers), tree.NewSymlink(tree.Meta{Mode: 0o777}, fmt.Sprint(i))); err != nil {
					t.Fatal(err)
				}
				return e.Tree()
			}
			layers = append(layers, tree.Layer{Lower: lower, Upper: add(lower)}.Ref())
			n = add(n)
			got := testtree.Must(m.layers(layers))
			if want := len(layers)/maxLowers + len(layers)%maxLowers; len(got) != want {
				t.Fatalf("%s: %d layers merged to %d, want %d", about, len(layers), len(got), want)
			}
			checkResult(t, about, got, n)
			for j := range len(layers) / maxLowers {
				if j < len(before) && len(before) < len(got) && !got[j].Same(before[j]) {
					t.Fatalf("%s: layer %d changes merged layer %d", about, i, j)
				}
			}
			before = got
		}
		again := testtree.Must(m.layers(layers))
		for j, l := range again {
			if l.Upper != before[j].Upper {
				t.Errorf("%s: layer %d is computed again", about, j)
			}
		}
	}
}

// checkResult checks that applying layers in order to an empty tree yields the wanted tree.
func checkResult(t *testing.T, about string, layers []tree.LayerRef, want *tree.Node) {
	t.Helper()
	all := tree.Empty()
	for _, ref := range layers {
		l := testtree.Must(ref.Load())
		all = testtree.Must(tree.Apply(all, l.Lower, l.Upper))
	}
	if !all.Same(want) {
		t.Fatalf("%s: %d merged layers result in another tree, want the same", about, len(layers))
	}
}

// TestMergedLayersHoldChanges checks that a merged layer contains only changes, but no files
// of the layers below.
func TestMergedLayersHoldChanges(t *testing.T) {
	m := &merger{}
	var layers []tree.LayerRef
	n := tree.Empty()
	for i := range 2 * maxLowers {
		e := tree.Edit(n)
		if err := e.Put(fmt.Sprint(i), tree.NewSymlink(tree.Meta{Mode: 0o777}, "x")); err != nil {
			t.Fatal(err)
		}
		layers, n = append(layers, tree.Layer{Lower: n, Upper: e.Tree()}.Ref()), e.Tree()
	}
	got := testtree.Must(m.layers(layers))
	if len(got) != 2 || got[1].Lower.ID() != got[0].Upper.ID() || got[0].Lower.ID() != tree.Empty().ID() || got[1].Upper.ID() != n.ID() {
		t.Errorf("merged layers %v, want two layers, the second one on top of the first", got)
	}
}

// TestEmptyLayerHasNoDirectory checks that no directory is written for a layer whose lower and
// upper trees are equal, even if the tree cannot be loaded.
func TestEmptyLayerHasNoDirectory(t *testing.T) {
	r := &Runner{layers: t.TempDir()}
	same := tree.RefTo(tree.Empty())
	if dir, err := r.layer(t.Context(), tree.LayerRef{Lower: same, Upper: same}); dir != "" || err != nil {
		t.Errorf("directory %q, %v, want none", dir, err)
	}
}

// TestSameLayerTwice runs a process on layers of which two are equal, as merge operations produce
// them. The kernel rejects an overlay with equal lower directories. The topmost of the equal layers
// must hide the layer between them.
func TestSameLayerTwice(t *testing.T) {
	w := newFixture(t)
	put := func(text string) tree.LayerRef {
		blob, err := w.store.PutBytes([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		e := tree.Edit(tree.Empty())
		if err := e.Put("file", tree.NewFile(tree.Meta{Mode: 0o644}, blob)); err != nil {
			t.Fatal(err)
		}
		return tree.Layer{Lower: tree.Empty(), Upper: e.Tree()}.Ref()
	}
	p := w.process("read line < /file; echo $line")
	root := &p.Mounts[p.Root()]
	one, two := put("one\n"), put("two\n")
	for _, ref := range []tree.LayerRef{one, two, one} {
		l := testtree.Must(ref.Load())
		root.Layers, root.Tree = append(root.Layers, ref), testtree.Must(tree.Apply(root.Tree, l.Lower, l.Upper))
	}
	if got, _ := w.run(t, p); got != "one\n" {
		t.Errorf("output %q, want that of the topmost layer", got)
	}
}
