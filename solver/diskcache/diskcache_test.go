//go:build unix

package diskcache

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/solver"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

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

// TestRecordsDisappear: a record that another process deletes at any time is a cache
// miss, and never an error.
func TestRecordsDisappear(t *testing.T) {
	c := newCache(t)
	key := digest.FromString("key")
	out := solver.CacheEntry{Outputs: []*snapshot.Snapshot{snapshot.New(tree.Empty(), nil)}}
	if err := c.Put(t.Context(), key, solver.Origin{Name: "x"}, out); err != nil {
		t.Fatal(err)
	}
	file, kept := c.file(key), filepath.Join(t.TempDir(), "record")
	if err := os.Rename(file, kept); err != nil {
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
			_ = os.Link(kept, file)
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
		t.Errorf("%d hits, no miss: the record was never gone", hits)
	}
}

// TestNoRecord: a file that is not regular is not a record, and Get does not wait for a
// FIFO.
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

// TestRecord: a record stores the identity and the outputs of a result, and the time of
// its last use.
func TestRecord(t *testing.T) {
	c := newCache(t)
	now := time.Unix(1_000_000, 0)
	c.now = func() time.Time { return now }
	key := digest.FromString("key")
	want := solver.CacheEntry{ID: digest.FromString("id"), Outputs: []*snapshot.Snapshot{number(1), nil, number(2).With(number(3).Tree())}}
	if err := c.Put(t.Context(), key, solver.Origin{Name: "x"}, want); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	got, ok, err := c.Get(t.Context(), key)
	if err != nil || !ok {
		t.Fatalf("found: %v, error: %v", ok, err)
	}
	if got.ID != want.ID || len(got.Outputs) != 3 || !got.Outputs[0].Tree().Same(want.Outputs[0].Tree()) || got.Outputs[1] != nil || !got.Outputs[2].Tree().Same(want.Outputs[2].Tree()) || len(got.Outputs[2].Layers()) != 1 {
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
		t.Errorf("another key: found: %v, error: %v", ok, err)
	}
}

// number returns a snapshot whose tree contains n.
func number(n int) *snapshot.Snapshot {
	e := tree.Edit(tree.Empty())
	if _, err := e.MkdirAll("d", tree.Meta{UID: uint32(n)}); err != nil {
		panic(err)
	}
	return snapshot.New(e.Tree(), nil)
}
