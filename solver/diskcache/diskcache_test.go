//go:build unix

package diskcache

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/internal/slowtest"
	"slipway/internal/testtree"
	"slipway/solver"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// newCache returns an empty cache.
func newCache(t *testing.T) *Cache {
	t.Helper()
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(t.TempDir(), store, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRecordsDisappear checks that Get and Records return no error while another process
// repeatedly creates and deletes a record.
func TestRecordsDisappear(t *testing.T) {
	slowtest.Skip(t, "repeats a race")
	c := newCache(t)
	key := digest.FromString("key")
	out := solver.CacheEntry{Outputs: []*snapshot.Snapshot{snapshot.New(tree.Empty(), nil)}}
	if err := c.Put(t.Context(), key, solver.Origin{Name: "x"}, out); err != nil {
		t.Fatal(err)
	}
	file, backup := c.file(key), filepath.Join(t.TempDir(), "record")
	if err := os.Rename(file, backup); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Link(backup, file)
			_ = os.Remove(file)
		}
	})
	hits, misses := 0, 0
	for range 20_000 {
		_, ok, err := c.Get(t.Context(), key)
		if err != nil {
			t.Errorf("Get while the record is deleted: %v, want a miss", err)
			break
		}
		if ok {
			hits++
		} else {
			misses++
		}
		if _, err := c.Records(t.Context()); err != nil {
			t.Errorf("Records while a record is deleted: %v", err)
			break
		}
	}
	close(stop)
	others.Wait()
	if misses == 0 {
		t.Errorf("%d hits and no miss: the record was never deleted during a call", hits)
	}
}

// TestNoRecord checks that Get returns a cache miss if nothing exists at the path of a
// record, or if the path leads to a directory, a FIFO or a file that is not a record. Get
// must not block on the FIFO.
func TestNoRecord(t *testing.T) {
	c := newCache(t)
	for about, create := range map[string]func(string) error{
		"directory": func(name string) error { return os.Mkdir(name, 0o700) },
		"FIFO":      func(name string) error { return syscall.Mkfifo(name, 0o600) },
		"nothing":   func(string) error { return nil },
		"text":      func(name string) error { return os.WriteFile(name, []byte("text"), 0o600) },
	} {
		key := digest.FromString(about)
		if err := os.MkdirAll(filepath.Dir(c.file(key)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := create(c.file(key)); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := c.Get(t.Context(), key); ok || err != nil {
			t.Errorf("%s: found %t, %v, want a miss", about, ok, err)
		}
	}
}

// TestRecord checks that Get returns the ID and the outputs passed to Put, and that it sets
// the time of the last use.
func TestRecord(t *testing.T) {
	c := newCache(t)
	now := time.Unix(1_000_000, 0)
	c.now = func() time.Time { return now }
	key := digest.FromString("key")
	want := solver.CacheEntry{ID: digest.FromString("id"), Outputs: []*snapshot.Snapshot{testSnapshot(1), nil, testSnapshot(2).With(testtree.Of(testSnapshot(3)))}}
	if err := c.Put(t.Context(), key, solver.Origin{Name: "x"}, want); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	got, ok, err := c.Get(t.Context(), key)
	if err != nil || !ok {
		t.Fatalf("found: %v, error: %v", ok, err)
	}
	if got.ID != want.ID || len(got.Outputs) != 3 || !testtree.Of(got.Outputs[0]).Same(testtree.Of(want.Outputs[0])) || got.Outputs[1] != nil || !testtree.Of(got.Outputs[2]).Same(testtree.Of(want.Outputs[2])) || got.Outputs[2].Chain().Len() != 1 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	info, err := os.Stat(c.file(key))
	if err != nil {
		t.Fatal(err)
	}
	if !info.ModTime().Equal(now) {
		t.Errorf("last used at %v, want %v", info.ModTime(), now)
	}
	if _, ok, err := c.Get(t.Context(), digest.FromString("other")); ok || err != nil {
		t.Errorf("another key: found %v, error %v, want a miss", ok, err)
	}
}

// TestMovedRecord checks that Get returns a cache miss if a record file was renamed to the
// path for another cache key.
func TestMovedRecord(t *testing.T) {
	c := newCache(t)
	key, other := digest.FromString("key"), digest.FromString("other")
	if err := c.Put(t.Context(), key, solver.Origin{}, solver.CacheEntry{Outputs: []*snapshot.Snapshot{testSnapshot(1)}}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(c.file(other)), 0o700), os.Rename(c.file(key), c.file(other))); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := c.Get(t.Context(), other); ok || err != nil {
		t.Errorf("found %t, %v, want a miss", ok, err)
	}
}

// testSnapshot returns a snapshot that contains a directory. Its owner is the user with the
// id n, so that different values of n yield different file trees.
func testSnapshot(n int) *snapshot.Snapshot {
	e := tree.Edit(tree.Empty())
	if _, err := e.MkdirAll("d", tree.Meta{UID: uint32(n)}); err != nil {
		panic(err)
	}
	return snapshot.New(e.Tree(), nil)
}
