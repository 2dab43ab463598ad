//go:build unix

package diskcache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/testtree"
	"slipway/solver"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// putSteps stores the results of n successive steps in the cache and returns the last one. The
// steps have the numbers first, first+1 and so on. The first of these steps changes the files
// of base. Step i creates an empty file, and its record is called step(i). Every fifth layer
// has a blob.
func putSteps(t *testing.T, c *Cache, base *snapshot.Snapshot, first, n int) *snapshot.Snapshot {
	t.Helper()
	for i := range n {
		i += first
		e := tree.Edit(testtree.Of(base))
		b, err := c.store.PutBytes(nil)
		if err == nil {
			err = e.Put(fmt.Sprint(i), tree.NewFile(tree.Meta{Mode: 0o644}, b))
		}
		if err != nil {
			t.Fatal(err)
		}
		var blob *snapshot.LayerBlob
		if i%5 == 0 {
			layer, err := c.store.PutBytes(fmt.Append(nil, "layer ", i))
			if err != nil {
				t.Fatal(err)
			}
			blob = &snapshot.LayerBlob{Descriptor: ocispecs.Descriptor{Digest: layer.Digest, Size: layer.Size}}
		}
		base = base.WithBlob(e.Tree(), blob)
		put(t, c, solver.Origin{Name: step(i)}, base)
	}
	return base
}

// step returns the name of the record for step i.
func step(i int) string { return fmt.Sprint("step ", i) }

// reopen opens the directory of c as a new Cache, which has to read everything from disk.
func reopen(t *testing.T, c *Cache) *Cache {
	t.Helper()
	c, err := Open(c.dir, c.store, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// get returns the output of the record with the given name. It reports whether the record
// exists.
func get(t *testing.T, c *Cache, name string) (*snapshot.Snapshot, bool) {
	t.Helper()
	entry, ok, err := c.Get(t.Context(), digest.FromString(name))
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return nil, false
	}
	return entry.Outputs[0], true
}

// chainFiles returns the names of the chain files.
func chainFiles(t *testing.T, c *Cache) []string {
	t.Helper()
	var names []string
	err := c.eachChain(t.Context(), func(file string, _ digest.Digest) error {
		names = append(names, filepath.Base(file))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestChains checks that records contain the layers that were stored, and that chain files
// store each group of layers only once. Of 40 layers, 32 must be in two chain files.
func TestChains(t *testing.T) {
	c := newCache(t)
	want := putSteps(t, c, nil, 0, 40)
	if got := chainFiles(t, c); len(got) != 2 {
		t.Errorf("chain files %v, want 2", got)
	}
	c = reopen(t, c)
	all := testtree.Layers(want)
	for i := range 40 {
		s, ok := get(t, c, step(i))
		if !ok {
			t.Fatalf("step %d: a miss, want a hit", i)
		}
		if s.Chain().Len() != i+1 {
			t.Errorf("step %d: %d layers, want %d", i, s.Chain().Len(), i+1)
		}
		list := testtree.Layers(s)
		if !slices.EqualFunc(list, all[:i+1], func(a, b snapshot.Layer) bool {
			return a.Same(b.LayerRef) && (a.Blob == nil) == (b.Blob == nil) && (a.Blob == nil || a.Blob.Descriptor.Digest == b.Blob.Descriptor.Digest)
		}) {
			t.Errorf("step %d: layers %v, want the layers that were stored", i, list)
		}
	}
	if s, _ := get(t, c, step(39)); s.Chain().ID() != want.Chain().ID() {
		t.Errorf("ID of the chain: %s, want %s", s.Chain().ID(), want.Chain().ID())
	}
	last, err := readRecord(c.file(digest.FromString(step(39))))
	if err != nil || len(last.Outputs[0].Layers) != 8 || last.Outputs[0].Below != 32 {
		t.Errorf("record with %d of 40 layers, %d below, %v, want 8 and 32", len(last.Outputs[0].Layers), last.Outputs[0].Below, err)
	}
	put(t, c, solver.Origin{Name: "loaded"}, mustGet(t, reopen(t, c), step(39)))
	if got := chainFiles(t, c); len(got) != 2 {
		t.Errorf("after storing a result that was loaded: chain files %v, want the same 2", got)
	}
}

// mustGet returns the output of the record with the given name.
func mustGet(t *testing.T, c *Cache, name string) *snapshot.Snapshot {
	t.Helper()
	s, ok := get(t, c, name)
	if !ok {
		t.Fatalf("%s: a miss, want a hit", name)
	}
	return s
}

// TestLostChains checks missing and damaged chain files. If the chain file of a record does
// not exist, the record must be a cache miss. If the file is damaged, loading a layer must
// return an error and remove the file. Storing the result again must restore the file.
func TestLostChains(t *testing.T) {
	for about, lose := range map[string]func(file string) error{
		"missing":    os.Remove,
		"truncated":  func(file string) error { return os.Truncate(file, 100) },
		"directory":  func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) },
		"other data": func(file string) error { return os.WriteFile(file, []byte(`{"Base":"x"}`), 0o600) },
		"changed":    func(file string) error { return changeDepth(file) },
	} {
		c := newCache(t)
		want := putSteps(t, c, nil, 0, 20)
		file := filepath.Join(c.chainsDir(), chainFiles(t, c)[0])
		if err := lose(file); err != nil {
			t.Fatal(err)
		}
		c = reopen(t, c)
		if s, ok := get(t, c, step(19)); ok {
			_, err := s.Layers()
			var lost *tree.BlobError
			if !errors.As(err, &lost) {
				t.Errorf("%s: layers: %v, want a BlobError", about, err)
			}
		} else if about != "missing" && about != "directory" {
			t.Errorf("%s: a miss, want a hit, because layers are loaded when they are needed", about)
		}
		if s, ok := get(t, c, step(19)); ok {
			t.Errorf("%s: found %v after the file was found to be damaged, want a miss", about, s)
		}
		put(t, c, solver.Origin{Name: step(19)}, want)
		if got := testtree.Layers(mustGet(t, reopen(t, c), step(19))); len(got) != 20 {
			t.Errorf("%s: %d layers after the result was stored again, want 20", about, len(got))
		}
	}
}

// changeDepth adds a field to a chain file. The file remains valid JSON, but no longer matches
// its ID.
func changeDepth(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data[:len(data)-1], `,"Below":1}`...), 0o600)
}

// TestChainsOfLostTrees checks a chain file with a layer whose tree the store lacks. Loading
// the layers must return an error, but must not remove the chain file.
func TestChainsOfLostTrees(t *testing.T) {
	c := newCache(t)
	want := putSteps(t, c, nil, 0, 20)
	lost := testtree.Layers(want)[3].Upper.ID()
	blobs, dirs := map[digest.Digest]bool{}, map[digest.Digest]bool{}
	for _, l := range testtree.Layers(want) {
		dirs[l.Lower.ID()], dirs[l.Upper.ID()] = true, true
	}
	delete(dirs, lost)
	if err := c.store.Sweep(t.Context(), blobs, dirs); err != nil {
		t.Fatal(err)
	}
	c = reopen(t, c)
	_, err := mustGet(t, c, step(19)).Layers()
	var of *tree.BlobError
	if !errors.As(err, &of) || len(chainFiles(t, c)) != 1 {
		t.Errorf("layers: %v with chain files %v, want a BlobError and one file", err, chainFiles(t, c))
	}
}

// TestSweepChains checks that Sweep keeps the chain files that records refer to, directly or
// through other chain files, and removes all others.
func TestSweepChains(t *testing.T) {
	c := newCache(t)
	base := putSteps(t, c, nil, 0, 20)
	putSteps(t, c, base, 20, 50)    // needs three more chain files
	putSteps(t, c, base, 10_000, 1) // keeps the first one
	if err := os.WriteFile(filepath.Join(c.chainsDir(), "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sweep := func(wantFiles int, remain ...string) {
		t.Helper()
		if err := c.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := chainFiles(t, c); len(got) != wantFiles {
			t.Errorf("chain files %v, want %d", got, wantFiles)
		}
		for _, name := range remain {
			testtree.Layers(mustGet(t, reopen(t, c), name))
		}
	}
	sweep(4, step(69), step(10_000))
	remove(t, c, func(name string) bool { return name != step(69) && name != step(10_000) })
	sweep(4, step(69), step(10_000))
	remove(t, c, func(name string) bool { return name == step(69) })
	sweep(1, step(10_000))
	remove(t, c, func(string) bool { return true })
	sweep(0)
}

// remove removes each record of the cache whose name the function match accepts.
func remove(t *testing.T, c *Cache, match func(name string) bool) {
	t.Helper()
	list, err := c.Records(t.Context())
	for _, r := range list {
		if match(r.Name) {
			err = errors.Join(err, c.Remove(r))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRepairChains checks that Repair removes damaged chain files, even if no record refers to
// them. Of the records, it must remove only those that refer to a damaged chain file.
func TestRepairChains(t *testing.T) {
	c := newCache(t)
	base := putSteps(t, c, nil, 0, 20)
	first := chainFiles(t, c)
	putSteps(t, c, base, 20, 20)
	var second string
	for _, name := range chainFiles(t, c) {
		if !slices.Contains(first, name) {
			second = filepath.Join(c.chainsDir(), name)
		}
	}
	if err := c.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(names(t, c)); n != 40 {
		t.Errorf("%d records after the repair of an intact cache, want 40", n)
	}
	if err := errors.Join(changeDepth(second), os.WriteFile(filepath.Join(c.chainsDir(), "x"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := c.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, got := len(names(t, c)), chainFiles(t, c); n != 32 || !slices.Equal(got, first) {
		t.Errorf("%d records and chain files %v, want the 32 records that need only the file %v", n, got, first)
	}
	if err := c.store.Remove(digest.FromString("layer 5")); err != nil {
		t.Fatal(err)
	}
	if err := c.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, got := len(names(t, c)), chainFiles(t, c); n != 5 || len(got) != 0 {
		t.Errorf("%d records and chain files %v after the blob of layer 5 was lost, want 5 records and no file", n, got)
	}
}

// TestUsageOfChains checks that the disk usage includes each chain file once. Dropping records
// must free a chain file as soon as no other record needs it.
func TestUsageOfChains(t *testing.T) {
	c := newCache(t)
	base := putSteps(t, c, nil, 0, 20)
	putSteps(t, c, base, 20, 20)
	putSteps(t, c, base, 1000, 1)
	records, u := usage(t, c)
	total := dirSize(t, c.dir)
	used, unused := u.Bytes()
	store, err := c.store.Sizes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sizes := range []map[digest.Digest]int64{store.Blobs, store.Dirs} {
		for _, n := range sizes {
			total += n
		}
	}
	if used != total || unused != 0 {
		t.Errorf("%d bytes used, %d unused, want %d and 0", used, unused, total)
	}
	var sum int64
	for _, n := range u.Own(records) {
		sum += n
	}
	if sum != used {
		t.Errorf("the sum of the sizes is %d, want the used size %d", sum, used)
	}
	for _, r := range records {
		want := r.Name != step(39) && r.Name != step(1000)
		if got := u.Shared(r); got != want {
			t.Errorf("%s: shared %t, want %t", r.Name, got, want)
		}
	}
	for _, r := range records {
		before, _ := u.Bytes()
		freed := u.Drop(r)
		after, _ := u.Bytes()
		if before-after != freed || freed < r.size {
			t.Errorf("%s: %d bytes freed, and %d fewer used, want equal numbers of at least %d", r.Name, freed, before-after, r.size)
		}
	}
	if used, _ := u.Bytes(); used != 0 {
		t.Errorf("%d bytes used after all records were dropped, want 0", used)
	}
	blobs, dirs := u.Live()
	if len(blobs) != 0 || len(dirs) != 0 {
		t.Errorf("%d blobs and %d directories live after all records were dropped, want none", len(blobs), len(dirs))
	}
}

// TestSharedWithOneself checks that a record is not shared merely because its own layers
// contain its result. The layers may be in the record or in a chain file.
func TestSharedWithOneself(t *testing.T) {
	c := newCache(t)
	s := putSteps(t, c, nil, 0, 2)
	for i := range 20 {
		s = s.With(testtree.Of(s))
		put(t, c, solver.Origin{Name: step(2 + i)}, s)
	}
	remove(t, c, func(name string) bool { return name != step(21) })
	records, u := usage(t, c)
	if len(records) != 1 || u.Shared(records[0]) {
		t.Errorf("the only record of %d counts as shared", len(records))
	}
	putSteps(t, c, s, 22, 1)
	records, u = usage(t, c)
	for _, r := range records {
		if got, want := u.Shared(r), r.Name == step(21); got != want {
			t.Errorf("%s: shared %t, want %t", r.Name, got, want)
		}
	}
}

// usage returns all records, and the [Usage] that counts their references.
func usage(t *testing.T, c *Cache) ([]Record, *Usage) {
	t.Helper()
	records, err := c.Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, err := c.Usage(context.WithoutCancel(t.Context()), records)
	if err != nil {
		t.Fatal(err)
	}
	return records, u
}

// dirSize returns the size of all files in a directory, in bytes.
func dirSize(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
