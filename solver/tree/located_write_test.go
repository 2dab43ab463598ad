package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// put adds a file to the tree that e edits, and stores the content of the file in s. The
// parameter name is the name of the file, and data is its content.
func (f locatedFixture) put(s *Store, e *Editor, name, data string, m Meta) {
	f.Helper()
	b, err := s.PutBytes([]byte(data))
	if err == nil {
		err = e.Put(name, NewFile(m, b))
	}
	if err != nil {
		f.Fatal(err)
	}
}

// newDelta returns the tree of a layer, and the locations of its files in a layer directory.
// The content of the files is in the store's own directory.
func (f locatedFixture) newDelta(s *Store, n int) (*Node, []Location) {
	f.Helper()
	e := Edit(nil)
	m := Meta{Mode: 0o4751, ModTime: time.Unix(1e9, 0)}
	var list []Location
	for i := range n {
		name, data := fmt.Sprint("f", i), fmt.Sprint("delta ", i)
		f.put(s, e, name, data, m)
		list = append(list, Location{blobOf(data), name})
	}
	f.put(s, e, "same", "delta 0", m)
	f.put(s, e, "secret", "not located", m)
	return e.Tree(), list
}

// own returns the number of blobs in the store's own directory.
func own(t *testing.T, s *Store) int {
	t.Helper()
	return len(blobFiles(t, s))
}

// TestLayerWriter checks that a LayerWriter moves blobs into a layer, and that the layer
// equals the tree written by WriteDir.
func TestLayerWriter(t *testing.T) {
	f := newLocated(t)
	s := f.store()
	n, list := f.newDelta(s, 20)
	want := t.TempDir()
	if err := WriteDir(t.Context(), want, n, s, HostOptions{}); err != nil {
		t.Fatal(err)
	}
	w, err := s.NewLayer(f.at("new"), list)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(t.Context(), n, HostOptions{}), w.Commit()); err != nil {
		t.Fatal(err)
	}
	if got := own(t, s); got != 1 { // the one that is not located
		t.Errorf("%d blobs remain, want 1", got)
	}
	if got, want := must(HostReader{}.ReadDir(t.Context(), f.at("new"))), must(HostReader{}.ReadDir(t.Context(), want)); !got.WithMeta(want.Meta()).Same(want) { // the time of the directory itself is not set
		t.Error("the layer differs from a copy")
	}
	for _, s := range []*Store{s, f.store()} {
		for i := range 20 {
			wantBlob(t, s, fmt.Sprint("delta ", i))
		}
		wantBlob(t, s, "not located")
	}
	if names := f.layers(); !slices.Equal(names, []string{"new", "one"}) {
		t.Errorf("layers %v, want new and one", names)
	}
	// A second layer with the same files contains copies.
	if w, err = s.NewLayer(f.at("second"), list); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(t.Context(), n, HostOptions{}), w.Commit(), RemoveAll(f.at("new"))); err != nil {
		t.Fatal(err)
	}
	wantBlob(t, s, "delta 7")
	wantBlob(t, f.store(), "delta 7")
}

// TestLayerWriterFails checks that no blob is lost if a layer cannot be completed or the
// process is killed.
func TestLayerWriterFails(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for about, end := range map[string]func(w *LayerWriter, n *Node) error{
		"aborted": func(w *LayerWriter, n *Node) error {
			return errors.Join(w.Write(t.Context(), n, HostOptions{}), w.Abort())
		},
		"killed": func(w *LayerWriter, n *Node) error {
			return w.Write(t.Context(), n, HostOptions{})
		},
		"killed without an index": func(w *LayerWriter, n *Node) error {
			return errors.Join(os.RemoveAll(w.index.layer+indexSuffix), w.Write(ended, n, HostOptions{}))
		},
		"canceled": func(w *LayerWriter, n *Node) error {
			if err := w.Write(ended, n, HostOptions{}); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("error %w, want that the context has ended", err)
			}
			return w.Abort()
		},
	} {
		t.Run(about, func(t *testing.T) {
			f := newLocated(t)
			s := f.store()
			n, list := f.newDelta(s, 20)
			w, err := s.NewLayer(f.at("new"), list)
			if err != nil {
				t.Fatal(err)
			}
			if err := end(w, n); err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			for _, s := range []*Store{s, f.store()} {
				wantBlob(t, s, "delta 3")
			}
			if err := f.store().Clean(); err != nil {
				t.Fatal(err)
			}
			for _, s := range []*Store{s, f.store()} {
				for i := range 20 {
					wantBlob(t, s, fmt.Sprint("delta ", i))
				}
			}
			if names := f.layers(); !slices.Equal(names, []string{"one"}) || own(t, s) != 21 {
				t.Errorf("layers %v and %d blobs, want one layer and 21 blobs", names, own(t, s))
			}
		})
	}
}

// TestLayerWriterDamage checks that a LayerWriter does not move a damaged blob into a layer.
func TestLayerWriterDamage(t *testing.T) {
	f := newLocated(t)
	n, list := f.newDelta(f.store(), 20)
	s := f.store()
	if err := os.WriteFile(s.path("blobs", digest.FromString("delta 5")), []byte("Delta 5"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := s.NewLayer(f.at("new"), list)
	if err != nil {
		t.Fatal(err)
	}
	var missing *BlobError
	if err := w.Write(t.Context(), n, HostOptions{}); !errors.As(err, &missing) {
		t.Errorf("error %v, want a BlobError", err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.at("new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the layer: %v, want that it does not exist", err)
	}
	wantBlob(t, f.store(), "delta 4")
	wantBlob(t, f.store(), "delta 6")
}

// TestLayerWriters checks that several processes can write layers concurrently, and that other
// processes find all blobs at any time.
func TestLayerWriters(t *testing.T) {
	f := newLocated(t)
	n, list := f.newDelta(f.store(), 300)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			s := f.store()
			w, err := s.NewLayer(f.at(fmt.Sprint("new", i%2)), list) // two write the same layer
			if err == nil {
				err = w.Write(t.Context(), n, HostOptions{})
			}
			if err == nil {
				err = w.Commit()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range 2 {
		s := f.store()
		all.Go(func() {
			for range 3 {
				for i := range 300 {
					wantBlob(t, s, fmt.Sprint("delta ", i))
				}
			}
		})
	}
	all.Wait()
	if names := f.layers(); !slices.Equal(names, []string{"new0", "new1", "one"}) {
		t.Errorf("layers %v, want new0, new1 and one", names)
	}
	if got := own(t, f.store()); got != 1 {
		t.Errorf("%d blobs remain, want 1", got)
	}
}
