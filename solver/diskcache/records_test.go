//go:build unix

package diskcache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// put stores a result with a single output, the snapshot s, in the cache. It returns the
// cache key of the result, which is the digest of origin.Name.
func put(t *testing.T, c *Cache, origin solver.Origin, s *snapshot.Snapshot) digest.Digest {
	t.Helper()
	key := digest.FromString(origin.Name)
	if err := c.Put(t.Context(), key, origin, solver.CacheEntry{Outputs: []*snapshot.Snapshot{s}}); err != nil {
		t.Fatal(err)
	}
	return key
}

// names returns the names of all records, sorted.
func names(t *testing.T, c *Cache) []string {
	t.Helper()
	list, err := c.Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range list {
		out = append(out, r.Name)
	}
	slices.Sort(out)
	return out
}

// TestRecords checks the fields of the records that Records returns, and that a removed
// record is a cache miss. Removing it twice must not be an error.
func TestRecords(t *testing.T) {
	c := newCache(t)
	now := time.Unix(1_000_000, 0)
	c.now = func() time.Time { return now }
	kinds := map[string]string{"step": KindResult, "image": KindSource, "context": KindLocal}
	put(t, c, solver.Origin{Name: "step"}, testSnapshot(1))
	put(t, c, solver.Origin{Name: "image", Source: "docker-image://x"}, testSnapshot(2))
	put(t, c, solver.Origin{Name: "context", Source: "local://context"}, testSnapshot(3))
	list, err := c.Records(t.Context())
	if err != nil || len(list) != len(kinds) {
		t.Fatalf("records %v, %v, want %d", list, err, len(kinds))
	}
	if !slices.IsSortedFunc(list, func(a, b Record) int { return cmpKeys(a, b) }) {
		t.Errorf("records %v are not in the order of keys", list)
	}
	for _, r := range list {
		if r.Kind != kinds[r.Name] || r.Key != digest.FromString(r.Name).Encoded() || !r.Used.Equal(now) {
			t.Errorf("record %+v, want kind %s, key %s, used at %v", r, kinds[r.Name], digest.FromString(r.Name).Encoded(), now)
		}
	}
	for range 2 {
		if err := c.Remove(list[0]); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
	if _, ok, err := c.Get(t.Context(), digest.FromString(list[0].Name)); ok || err != nil {
		t.Errorf("a removed record: found %v, %v, want a miss", ok, err)
	}
	if got := names(t, c); len(got) != 2 {
		t.Errorf("records %v, want 2", got)
	}
}

// cmpKeys compares records by their keys.
func cmpKeys(a, b Record) int {
	switch {
	case a.Key < b.Key:
		return -1
	case a.Key > b.Key:
		return 1
	}
	return 0
}

// TestDamagedRecords checks that Get and Records ignore damaged records and other files,
// and that Sweep removes them. Put must replace a directory at the path of a record.
func TestDamagedRecords(t *testing.T) {
	c := newCache(t)
	intact := put(t, c, solver.Origin{Name: "intact"}, testSnapshot(1))
	damaged := put(t, c, solver.Origin{Name: "damaged"}, testSnapshot(2))
	data, err := os.ReadFile(c.file(damaged))
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-3] ^= 1
	other := filepath.Join(filepath.Dir(c.file(intact)), "other")
	if err := errors.Join(os.WriteFile(c.file(damaged), data, 0o600), os.WriteFile(other, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := c.Get(t.Context(), damaged); ok || err != nil {
		t.Errorf("a damaged record: found %v, %v, want a miss", ok, err)
	}
	if got := names(t, c); !slices.Equal(got, []string{"intact"}) {
		t.Errorf("records %v, want only the intact one", got)
	}
	if err := c.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{c.file(intact): true, c.file(damaged): false, other: false} {
		if _, err := os.Stat(file); (err == nil) != want {
			t.Errorf("after a sweep, %s exists: %v, want %v", file, err == nil, want)
		}
	}
	if err := os.MkdirAll(filepath.Join(c.file(damaged), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, c, solver.Origin{Name: "damaged"}, testSnapshot(2))
	if _, ok, err := c.Get(t.Context(), damaged); !ok || err != nil {
		t.Errorf("after Put: found %v, %v, want a hit", ok, err)
	}
}

// TestClean checks that Clean removes temporary files, but neither their directory nor
// records.
func TestClean(t *testing.T) {
	c := newCache(t)
	put(t, c, solver.Origin{Name: "intact"}, testSnapshot(1))
	if err := os.WriteFile(filepath.Join(c.temp(), "half"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Clean(); err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(c.temp()); err != nil || len(list) != 0 {
		t.Errorf("temporary files %v, %v, want none", list, err)
	}
	if got := names(t, c); len(got) != 1 {
		t.Errorf("records %v, want one", got)
	}
}

// TestRepair checks that Repair removes damaged records, and records for which the store
// lacks a file of the tree, a file of a lower layer or a layer blob.
func TestRepair(t *testing.T) {
	c := newCache(t)
	file := func(data string) *tree.Node {
		t.Helper()
		b, err := c.store.PutBytes([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		e := tree.Edit(tree.Empty())
		_, err = e.MkdirAll("d", tree.Meta{Mode: 0o755})
		if err = errors.Join(err, e.Put("d/f", tree.NewFile(tree.Meta{Mode: 0o644}, b))); err != nil {
			t.Fatal(err)
		}
		return e.Tree()
	}
	layer := func(data string) *snapshot.LayerBlob {
		t.Helper()
		b, err := c.store.PutBytes([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		return &snapshot.LayerBlob{Descriptor: ocispecs.Descriptor{Digest: b.Digest, Size: b.Size}}
	}
	var none *snapshot.Snapshot
	put(t, c, solver.Origin{Name: "intact"}, none.WithBlob(file("intact"), layer("layer")))
	put(t, c, solver.Origin{Name: "file"}, snapshot.New(file("lost file"), nil))
	put(t, c, solver.Origin{Name: "lower"}, snapshot.New(file("intact"), []snapshot.Layer{{LayerRef: tree.Layer{Lower: file("lost lower"), Upper: file("intact")}.Ref()}}))
	put(t, c, solver.Origin{Name: "blob"}, none.WithBlob(file("intact"), layer("lost blob")))
	damaged := put(t, c, solver.Origin{Name: "damaged"}, testSnapshot(1))
	if err := os.WriteFile(c.file(damaged), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, c), []string{"blob", "file", "intact", "lower"}; !slices.Equal(got, want) {
		t.Errorf("with an intact store, records %v remain, want %v", got, want)
	}
	if _, err := os.Stat(c.file(damaged)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the damaged record still exists: %v", err)
	}
	for _, data := range []string{"lost file", "lost lower", "lost blob"} {
		if err := c.store.Remove(digest.FromString(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := names(t, c); !slices.Equal(got, []string{"intact"}) {
		t.Errorf("after blobs were removed, records %v remain, want only the intact one", got)
	}
}
