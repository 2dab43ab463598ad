package snapshot

import (
	"errors"
	"slices"
	"testing"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/tree"
)

// layer returns a layer with the given trees and blob.
func layer(lower, upper *tree.Node, b *LayerBlob) Layer {
	return Layer{LayerRef: tree.Layer{Lower: lower, Upper: upper}.Ref(), Blob: b}
}

// TestChainID checks that chains with equal layers have equal IDs. Any difference in a
// property of a layer, in its position, or in the layers below must change the ID.
func TestChainID(t *testing.T) {
	a, ab := dir(t, "a"), dir(t, "a", "b")
	blob := func() *LayerBlob {
		return &LayerBlob{Descriptor: ocispecs.Descriptor{Digest: "sha256:c", Size: 3}, DiffID: "sha256:u", Created: time.Unix(5, 0).UTC()}
	}
	first := layer(tree.Empty(), a, nil)
	base := NewChain([]Layer{first})
	top := layer(a, ab, blob())
	want := base.Add(top)
	if got := NewChain([]Layer{layer(tree.Empty(), dir(t, "a"), nil), layer(a, dir(t, "a", "b"), blob())}); got.ID() != want.ID() {
		t.Errorf("ID of equal layers: %s, want %s", got.ID(), want.ID())
	}
	later := blob()
	later.Created = time.Unix(6, 0).UTC()
	seen := map[string]string{string(want.ID()): "the chain itself", "": "an empty chain"}
	for about, c := range map[string]*Chain{
		"without the lower layer": NewChain([]Layer{top}),
		"without the top layer":   base,
		"another lower tree":      base.Add(layer(tree.Empty(), ab, blob())),
		"another upper tree":      base.Add(layer(a, a, blob())),
		"no blob":                 base.Add(layer(a, ab, nil)),
		"another blob":            base.Add(layer(a, ab, later)),
		"one layer twice":         want.Add(top),
		"other layers below":      NewChain([]Layer{top, top}),
	} {
		if other, ok := seen[string(c.ID())]; ok {
			t.Errorf("%s: the ID is equal to the ID of %s", about, other)
		}
		seen[string(c.ID())] = about
	}
	if id := (*Chain)(nil).ID(); id != "" {
		t.Errorf("ID of an empty chain: %q, want an empty string", id)
	}
}

// TestChainLayers checks that a chain returns its layers in order, and that adding layers
// neither changes the chain nor copies it.
func TestChainLayers(t *testing.T) {
	one, two := layer(tree.Empty(), dir(t, "a"), nil), layer(dir(t, "a"), dir(t, "b"), &LayerBlob{DiffID: "sha256:b"})
	base := NewChain([]Layer{one})
	c := base.Add(two)
	base.Add(one)
	if list := must(c.Layers()); c.Len() != 2 || !slices.Equal(list, []Layer{one, two}) {
		t.Errorf("%d layers %v, want the two layers in order", c.Len(), list)
	}
	l, below, err := c.Top()
	if err != nil || l != two || below != base {
		t.Errorf("Top: %v on chain %p, %v, want the second layer on chain %p", l, below, err, base)
	}
	if list := must((*Chain)(nil).Layers()); len(list) != 0 {
		t.Errorf("layers of an empty chain: %v, want none", list)
	}
}

// TestLazyChain checks that a lazy chain is loaded only once, when a layer is first needed.
// After an error, it must be loaded again.
func TestLazyChain(t *testing.T) {
	want := NewChain([]Layer{layer(tree.Empty(), dir(t, "a"), nil)})
	loads, failed := 0, errors.New("damaged")
	lazy := LazyChain(want.ID(), want.Len(), func() (*Chain, error) {
		loads++
		if loads == 1 {
			return nil, failed
		}
		return want, nil
	})
	top := lazy.Add(layer(dir(t, "a"), dir(t, "b"), nil))
	if top.Len() != 2 || lazy.ID() != want.ID() || loads != 0 {
		t.Errorf("%d layers, ID %s after %d loads, want 2 layers, ID %s and no load", top.Len(), lazy.ID(), loads, want.ID())
	}
	if _, err := top.Layers(); !errors.Is(err, failed) {
		t.Errorf("Layers while loading fails: %v, want %v", err, failed)
	}
	if _, err := Merge([]*Snapshot{NewRef(nil, top)}); err != nil {
		t.Errorf("Merge: %v", err)
	}
	for range 2 {
		if list := must(top.Layers()); len(list) != 2 || list[0] != must(want.Layers())[0] {
			t.Errorf("layers %v, want the loaded layer first", list)
		}
	}
	if loads != 2 {
		t.Errorf("%d loads, want one that fails and one that succeeds", loads)
	}
	other := layer(dir(t, "b"), dir(t, "c"), nil)
	lost := LazyChain(want.ID(), 1, func() (*Chain, error) { return nil, failed })
	for about, fn := range map[string]func() error{
		"merge":      func() error { _, err := Merge([]*Snapshot{NewRef(nil, lost)}); return err },
		"merge onto": func() error { _, err := Merge([]*Snapshot{NewRef(nil, want), NewRef(nil, lost)}); return err },
		"diff":       func() error { _, err := Diff(nil, NewRef(nil, lost)); return err },
		"equal top layers": func() error {
			_, err := Diff(NewRef(nil, NewChain([]Layer{other, other})), NewRef(nil, lost.Add(other)))
			return err
		},
		"lower": func() error {
			_, err := Diff(NewRef(nil, lost), NewRef(nil, NewChain([]Layer{other})))
			return err
		},
	} {
		if err := fn(); !errors.Is(err, failed) {
			t.Errorf("%s with a chain that cannot be loaded: %v, want %v", about, err, failed)
		}
	}
}

// TestMergeSharesLayers checks that a merge does not copy the layers of its first snapshot.
func TestMergeSharesLayers(t *testing.T) {
	var none *Snapshot
	base := none.With(dir(t, "a"))
	s := must(Merge([]*Snapshot{none, base, none.With(dir(t, "b"))}))
	if _, below, err := s.Chain().Top(); err != nil || below != base.Chain() {
		t.Errorf("chain below the added layer: %p, %v, want %p", below, err, base.Chain())
	}
}

// TestMergeTimes checks that the tree of a merge is the result of applying its layers. A layer
// that changes only the time of a directory contains no changes. The result must not depend on
// whether an earlier merge has applied the lower layers.
func TestMergeTimes(t *testing.T) {
	var none *Snapshot
	a := dir(t, "a")
	m := a.Meta()
	m.ModTime = time.Unix(1000, 0)
	base := none.With(a).With(a.WithMeta(m))
	for range 2 {
		s := must(Merge([]*Snapshot{base}))
		if got := root(s); !got.Same(a) || s.Chain().Len() != 2 {
			t.Errorf("%d layers, root of %v, want 2 layers and the time of the first one", s.Chain().Len(), got.Meta().ModTime)
		}
	}
	again := must(Merge([]*Snapshot{must(Merge([]*Snapshot{base})), none.With(dir(t, "b"))}))
	if got := names(again); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("merge of a merge: %v, want a and b", got)
	}
}

// TestDiffIgnoresBlobs checks that Diff treats the lowest layers of two snapshots as equal
// even if only one of the snapshots has blobs for them.
func TestDiffIgnoresBlobs(t *testing.T) {
	var none *Snapshot
	lower := none.WithBlob(dir(t, "a"), &LayerBlob{DiffID: "sha256:a"})
	upper := none.With(dir(t, "a")).With(dir(t, "a", "b")).With(dir(t, "a", "c"))
	d := must(Diff(lower, upper))
	if got, want := layers(d), layers(upper)[1:]; !slices.Equal(got, want) {
		t.Errorf("layers of the difference: %v, want %v", got, want)
	}
}
