package tree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
)

// names returns the sorted names of the fixture's layer directories and index files.
func (f locatedFixture) names() []string {
	f.Helper()
	names, err := readNames(f.at())
	if err != nil {
		f.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// TestKilledRemovalOfLayer checks that no blob is lost if a process is killed between renaming
// a layer directory and renaming its index file.
func TestKilledRemovalOfLayer(t *testing.T) {
	f := newLocated(t)
	aside := f.at("one" + asideMark + "1")
	steps := []func() error{
		func() error { return os.Link(f.at("one")+indexSuffix, aside+indexSuffix) },
		func() error { return os.Rename(f.at("one"), aside) },
		func() error { return os.Remove(f.at("one") + indexSuffix) },
	}
	open := f.store()
	for n := range len(steps) + 1 {
		f.Logf("killed after %d steps", n)
		for _, s := range []*Store{open, f.store()} {
			for _, data := range []string{"content of f", "content of g"} {
				wantBlob(t, s, data)
				if !s.Has(blobOf(data)) {
					t.Errorf("Has(%q) is false", data)
				}
				if found, err := s.Find(blobOf(data).Digest, 100); err != nil || string(found) != data {
					t.Errorf("Find: %q, %v, want %q", found, err, data)
				}
			}
		}
		if n < len(steps) {
			if err := steps[n](); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestCleanAfterKill checks that Clean removes the rest of a layer whose removal was
// interrupted by a kill, but no blobs.
func TestCleanAfterKill(t *testing.T) {
	for n, want := range [][]string{{"one", "one.blobs"}, {"one", "one.blobs"}, nil, nil} {
		f := newLocated(t)
		aside := f.at("one" + asideMark + "1")
		for _, step := range []func() error{
			func() error { return os.Link(f.at("one")+indexSuffix, aside+indexSuffix) },
			func() error { return os.Rename(f.at("one"), aside) },
			func() error { return os.Remove(f.at("one") + indexSuffix) },
		}[:n] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		s := f.store()
		if err := s.Clean(); err != nil {
			t.Error(err)
		}
		for _, s := range []*Store{s, f.store()} {
			wantBlob(t, s, "content of f")
			wantBlob(t, s, "content of g")
		}
		if got := f.names(); !slices.Equal(got, want) {
			t.Errorf("after %d steps and Clean: %q, want %q", n, got, want)
		}
	}
}

// TestSweepSetsLayersAside checks that Sweep removes the directories and index files of unused
// layers, and keeps the blobs that are needed.
func TestSweepSetsLayersAside(t *testing.T) {
	f := newLocated(t)
	s := f.store()
	if err := s.Sweep(t.Context(), map[digest.Digest]bool{blobOf("content of g").Digest: true}, nil); err != nil {
		t.Fatal(err)
	}
	if got := f.names(); len(got) != 0 {
		t.Errorf("the sweep leaves %q", got)
	}
	wantBlob(t, f.store(), "content of g")
	wantNoBlob(t, f.store(), "content of f")
}

// TestConcurrentTakeBack checks that several processes can move the blobs of the same layers
// concurrently, as the first builds after a reboot do.
func TestConcurrentTakeBack(t *testing.T) {
	const blobs, processes = 200, 4
	f := newLocated(t)
	files := map[string]string{}
	for i := range blobs {
		files[fmt.Sprintf("%03d", i)] = fmt.Sprint("content ", i)
	}
	f.layer(f.store(), "many", files)
	var all sync.WaitGroup
	errs := make([]error, processes)
	for i := range processes {
		s := f.store()
		all.Go(func() { errs[i] = s.TakeBack(f.at(), nil) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(f.at()); err != nil {
		t.Fatal(err)
	}
	s := f.store()
	for _, data := range files {
		wantBlob(t, s, data)
	}
}

// TestTakeBackReplaces checks that TakeBack moves a blob to its path in the store's own
// directory, even if a directory or a file with the wrong size exists at this path.
func TestTakeBackReplaces(t *testing.T) {
	f := newLocated(t)
	s := f.store()
	of, og := s.path("blobs", blobOf("content of f").Digest), s.path("blobs", blobOf("content of g").Digest)
	if err := errors.Join(
		os.MkdirAll(filepath.Join(of, "x"), 0o700),
		os.MkdirAll(filepath.Dir(og), 0o700), os.WriteFile(og, []byte(strings.Repeat("x", 3)), 0o600),
		s.TakeBack(f.at(), nil), os.RemoveAll(f.at()),
	); err != nil {
		t.Fatal(err)
	}
	wantBlob(t, f.store(), "content of f")
	wantBlob(t, f.store(), "content of g")
}
