package export

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/internal/testtree"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// layered returns a snapshot with one layer per name. Each layer adds one file, whose name and
// content are the name of the layer. If a name starts with "lost", the store does not contain
// the content of the file.
func layered(t *testing.T, store *tree.Store, names ...string) *snapshot.Snapshot {
	t.Helper()
	s := snapshot.New(nil, nil)
	for _, name := range names {
		b := tree.Blob{Digest: digest.FromString(name), Size: int64(len(name))}
		if !strings.HasPrefix(name, "lost") {
			if _, err := store.PutBytes([]byte(name)); err != nil {
				t.Fatal(err)
			}
		}
		e := tree.Edit(testtree.Of(s))
		if err := e.Put(name, tree.NewFile(tree.Meta{Mode: 0o644}, b)); err != nil {
			t.Fatal(err)
		}
		s = s.With(e.Tree())
	}
	return s
}

// TestLayerErrors checks that Image returns the error for the lowest layer that cannot be
// created, although layers are created concurrently.
func TestLayerErrors(t *testing.T) {
	x := testExporter(t)
	s := layered(t, x.Store, "a", "b", "lost1", "c", "lost2", "lost3", "lost4")
	for range 20 {
		if _, err := x.blobs(t.Context(), PlatformResult{Snapshot: s}); err == nil || !strings.Contains(err.Error(), "/lost1: ") {
			t.Errorf("error %v, want one about /lost1", err)
		}
	}
}

// TestLayerOrder checks that the blobs of an image are in the order of its layers, and that a
// new exporter returns the same blobs.
func TestLayerOrder(t *testing.T) {
	var names, want []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("file%d", i))
	}
	for range 2 {
		x := testExporter(t)
		s := layered(t, x.Store, names...)
		blobs, err := x.blobs(t.Context(), PlatformResult{Snapshot: s})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i, l := range testtree.Layers(s) {
			single, err := (&Layers{Store: x.Store, Dir: t.TempDir()}).Blob(t.Context(), l, nil)
			if err != nil {
				t.Fatal(err)
			}
			if blobs[i].Descriptor.Digest != single.Descriptor.Digest {
				t.Errorf("blob %d is %s, want %s", i, blobs[i].Descriptor.Digest, single.Descriptor.Digest)
			}
			got = append(got, string(blobs[i].Descriptor.Digest))
		}
		if want == nil {
			want = got
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("second exporter gives blobs %v, want %v", got, want)
		}
	}
}

// TestLayerTimes checks that new layers get the times of their steps. A layer whose time is unknown gets
// the time of the layer above it or, if that is unknown, too, the time of the export.
func TestLayerTimes(t *testing.T) {
	x := testExporter(t)
	at := func(minute int) time.Time { return time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC) }
	x.Layers.Now = at(9)
	var s *snapshot.Snapshot
	for i, l := range testtree.Layers(layered(t, x.Store, "a", "b", "c", "d", "e")) {
		n, err := l.Upper.Node()
		if err != nil {
			t.Fatal(err)
		}
		s = s.WithNew(n, []time.Time{{}, at(1), {}, at(2), {}}[i])
	}
	blobs, err := x.blobs(t.Context(), PlatformResult{Snapshot: s})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []time.Time{at(1), at(1), at(2), at(2), at(9)} {
		if got := blobs[i].Created; !got.Equal(want) {
			t.Errorf("layer %d has the time %v, want %v", i, got, want)
		}
	}
}

// TestLayerKeys checks that a cached layer blob is not used after a change of the compression,
// unless the new compression yields the same bytes.
func TestLayerKeys(t *testing.T) {
	x := testExporter(t)
	l := testtree.Layers(layered(t, x.Store, "a"))[0]
	keys := map[string]Compression{
		digest.FromString(fmt.Sprintf("%s %s <nil>", l.Lower.ID(), l.Upper.ID())).Encoded(): {Type: "gzip of an older version"},
	}
	for _, c := range []Compression{{}, {Level: 1}, {Level: 2}, {Type: "zstd"}, {Type: "zstd", Level: 1}, {Type: "zstd", Level: 6}, {Type: "uncompressed"}} {
		x.Layers.Compression = c
		key := x.Layers.key(l, nil)
		if other, ok := keys[key]; ok {
			t.Errorf("%v has the key of %v", c, other)
		}
		keys[key] = c
	}
	for _, c := range []Compression{{Type: "gzip"}, {Level: 6}, {Type: "gzip", Level: 6}} {
		x.Layers.Compression = c
		if got, ok := keys[x.Layers.key(l, nil)]; !ok || got != (Compression{}) {
			t.Errorf("%v has the key of %v, want the key of the default", c, got)
		}
	}
}
