package tree

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
)

// locatedFixture is a temporary state directory with a store and layer directories.
type locatedFixture struct {
	*testing.T
	dir string
}

// newLocated returns a fixture with one layer. The layer contains the files d/f and d/g, which
// are blobs of the store.
func newLocated(t *testing.T) locatedFixture {
	t.Helper()
	f := locatedFixture{t, t.TempDir()}
	f.layer(f.store(), "one", map[string]string{"d/f": "content of f", "d/g": "content of g"})
	return f
}

// store opens the fixture's store anew, as another process would.
func (f locatedFixture) store() *Store {
	f.Helper()
	s, err := OpenStore(filepath.Join(f.dir, "store"))
	if err != nil {
		f.Fatal(err)
	}
	s.AddLayers(filepath.Join(f.dir, "layers"))
	return s
}

// at returns the path of a file in the directory that contains the layer directories.
func (f locatedFixture) at(name ...string) string {
	return filepath.Join(f.dir, "layers", "boot", filepath.Join(name...))
}

// layer writes a layer directory with the given files, and makes the files blobs of s.
func (f locatedFixture) layer(s *Store, name string, files map[string]string) {
	f.Helper()
	var list []Location
	for file, data := range files {
		if err := errors.Join(os.MkdirAll(filepath.Dir(f.at(name, file)), 0o700), os.WriteFile(f.at(name, file), []byte(data), 0o600)); err != nil {
			f.Fatal(err)
		}
		list = append(list, Location{blobOf(data), file})
	}
	if err := s.Locate(f.at(name), list); err != nil {
		f.Fatal(err)
	}
}

// layers returns the names of the layer directories.
func (f locatedFixture) layers() (names []string) {
	f.Helper()
	list, err := os.ReadDir(filepath.Join(f.dir, "layers", "boot"))
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range list {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// blobOf returns the digest and size of data.
func blobOf(data string) Blob { return Blob{digest.FromString(data), int64(len(data))} }

// wantBlob fails the test unless the store has a blob with the given content.
func wantBlob(t *testing.T, s *Store, data string) {
	t.Helper()
	r, err := s.Open(blobOf(data))
	if err != nil {
		t.Error(err)
		return
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || string(got) != data {
		t.Errorf("read %q, %v, want %q", got, err, data)
	}
}

// wantNoBlob fails the test unless opening the blob with the given content returns a
// BlobError.
func wantNoBlob(t *testing.T, s *Store, data string) {
	t.Helper()
	r, err := s.Open(blobOf(data))
	if err == nil {
		r.Close()
	}
	var missing *BlobError
	if !errors.As(err, &missing) || missing.Digest != digest.FromString(data) {
		t.Errorf("open %q: error %v, want a BlobError", data, err)
	}
}

// TestLocated checks that a store's methods treat blobs in a layer like blobs in the store's
// own directory.
func TestLocated(t *testing.T) {
	f := newLocated(t)
	s := f.store()
	wantBlob(t, s, "content of f")
	b := blobOf("content of g")
	if !s.Has(b) || s.Has(Blob{b.Digest, 1}) || s.Has(blobOf("other")) {
		t.Error("Has is wrong")
	}
	if data, err := f.store().Find(b.Digest, 100); err != nil || string(data) != "content of g" {
		t.Errorf("found %q, %v", data, err)
	}
	if _, err := s.PutBytes([]byte("content of f")); err != nil {
		t.Fatal(err)
	}
	sizes, err := s.Sizes(t.Context())
	if err != nil || len(sizes.Blobs) != 2 || sizes.Blobs[b.Digest] != b.Size || sizes.InLayers != b.Size {
		t.Errorf("sizes %v, %v, want that g is only in a layer", sizes, err)
	}
}

// TestLocatedByOthers checks that a store finds a layer that another process adds, even if the
// store has looked for the blob immediately before.
func TestLocatedByOthers(t *testing.T) {
	f := newLocated(t)
	other, s := f.store(), f.store()
	for i := range 100 {
		data := fmt.Sprint("content ", i)
		wantNoBlob(t, s, data)
		f.layer(other, fmt.Sprint(i), map[string]string{"f": data})
		wantBlob(t, s, data)
	}
	wantBlob(t, s, "content of f")
}

// TestLocatedDamage checks that a store detects a changed file in a layer and stops using the
// layer, without losing the other blobs in it.
func TestLocatedDamage(t *testing.T) {
	for about, damage := range map[string]func(f locatedFixture) error{
		"changed":   func(f locatedFixture) error { return os.WriteFile(f.at("one/d/f"), []byte("Content of f"), 0o600) },
		"truncated": func(f locatedFixture) error { return os.Truncate(f.at("one/d/f"), 0) },
		"removed":   func(f locatedFixture) error { return os.Remove(f.at("one/d/f")) },
		"a link": func(f locatedFixture) error {
			return errors.Join(os.Rename(f.at("one/d/f"), f.at("one/d/f2")), os.Symlink("f2", f.at("one/d/f")))
		},
		"a directory": func(f locatedFixture) error {
			return errors.Join(os.Remove(f.at("one/d/f")), os.Mkdir(f.at("one/d/f"), 0o700))
		},
	} {
		t.Run(about, func(t *testing.T) {
			for _, repair := range []bool{false, true} {
				f := newLocated(t)
				if err := damage(f); err != nil {
					t.Fatal(err)
				}
				s := f.store()
				if repair {
					if err := s.Repair(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				for _, s := range []*Store{s, s, f.store()} {
					wantNoBlob(t, s, "content of f")
					wantBlob(t, s, "content of g")
				}
				if names := f.layers(); len(names) != 1 || !strings.HasPrefix(names[0], "one"+asideMark) {
					t.Errorf("layers %v, want that the layer is marked as damaged", names)
				}
				if IsLocated(f.at("one")) {
					t.Error("the index still exists")
				}
				// The step runs again.
				f.layer(s, "one", map[string]string{"d/f": "content of f", "d/g": "content of g"})
				wantBlob(t, f.store(), "content of f")
				if err := s.Sweep(t.Context(), map[digest.Digest]bool{digest.FromString("content of g"): true, digest.FromString("content of f"): true}, nil); err != nil {
					t.Fatal(err)
				}
				if names := f.layers(); !slices.Equal(names, []string{"one"}) {
					t.Errorf("layers %v after a sweep, want one", names)
				}
				wantBlob(t, f.store(), "content of f")
				wantBlob(t, f.store(), "content of g")
			}
		})
	}
}

// TestLocatedOutside checks that a manipulated index cannot make the store read files outside
// the layer, or files that are not regular.
func TestLocatedOutside(t *testing.T) {
	for _, path := range []string{"../secret", "d/../../secret", "/secret", "link", "dir/secret", "pipe", "", "."} {
		f := newLocated(t)
		s := f.store()
		if err := errors.Join(
			os.WriteFile(f.at("secret"), []byte("secret"), 0o600), os.Symlink("../secret", f.at("one/link")),
			os.Symlink("..", f.at("one/dir")), os.Symlink(os.DevNull, f.at("one/pipe")),
		); err != nil {
			t.Fatal(err)
		}
		if err := s.Locate(f.at("one"), []Location{{blobOf("secret"), path}, {blobOf("content of g"), "d/g"}}); err != nil {
			t.Fatal(err)
		}
		wantNoBlob(t, f.store(), "secret")
		wantBlob(t, f.store(), "content of g")
		if err := f.store().TakeBack(f.at(), nil); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := os.Stat(f.at("secret")); err != nil {
			t.Errorf("%s: the file was moved: %v", path, err)
		}
		wantNoBlob(t, f.store(), "secret")
	}
}

// TestDamagedIndex checks that the store ignores a damaged index, and replaces it when Locate
// is called for the layer again.
func TestDamagedIndex(t *testing.T) {
	f := newLocated(t)
	name := f.at("one") + indexSuffix
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		flipped := slices.Clone(data)
		flipped[i] ^= 1
		for _, damaged := range [][]byte{flipped, data[:i]} {
			if _, err := parseIndex("one", damaged); !errors.Is(err, errIndex) {
				t.Fatalf("byte %d: error %v, want that the index is damaged", i, err)
			}
		}
	}
	s := f.store()
	for _, damage := range []func() error{
		func() error { return os.Truncate(name, 100) },
		func() error { return os.Remove(name) },
		func() error { return errors.Join(os.Remove(name), os.Mkdir(name, 0o700)) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		fresh := f.store()
		wantNoBlob(t, fresh, "content of f")
		f.layer(s, "one", map[string]string{"d/f": "content of f"})
		wantBlob(t, fresh, "content of f")
	}
}

// TestIncompleteLayers checks an index file without a layer directory, and a layer directory
// without an index file. The store must not find blobs in them or return other errors, and
// must find the blobs after the layer was written again.
func TestIncompleteLayers(t *testing.T) {
	f := newLocated(t)
	if err := errors.Join(os.Rename(f.at("one"), f.at("two")), os.WriteFile(filepath.Join(f.dir, "layers", "file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	s := f.store()
	wantNoBlob(t, s, "content of f")
	if err := errors.Join(s.Repair(t.Context()), s.TakeBack(f.at(), nil)); err != nil {
		t.Error(err)
	}
	if err := os.Rename(f.at("two"), f.at("one")); err != nil {
		t.Fatal(err)
	}
	f.layer(s, "one", map[string]string{"d/f": "content of f"})
	wantBlob(t, f.store(), "content of f")
}

// TestRemovedLayers checks that a store notices when the directories of all layers are
// removed, and that it finds layers written afterwards.
func TestRemovedLayers(t *testing.T) {
	for _, dir := range []string{"layers", "layers/boot", "layers/boot/one"} {
		f := newLocated(t)
		s := f.store()
		wantBlob(t, s, "content of f")
		for i := range 3 {
			if err := os.RemoveAll(filepath.Join(f.dir, dir)); err != nil {
				t.Fatal(err)
			}
			if dir == "layers/boot/one" {
				if err := os.Remove(f.at("one") + indexSuffix); err != nil {
					t.Fatal(err)
				}
			}
			wantNoBlob(t, s, "content of f")
			if sizes, err := s.Sizes(t.Context()); err != nil || len(sizes.Blobs) != 0 {
				t.Errorf("%s, round %d: sizes %v, %v, want none", dir, i, sizes, err)
			}
			f.layer(f.store(), "one", map[string]string{"d/f": "content of f"})
			wantBlob(t, s, "content of f")
		}
	}
}

// TestTakeBack checks that the blobs that TakeBack moves exist after the layers are removed.
func TestTakeBack(t *testing.T) {
	f := newLocated(t)
	if err := errors.Join(os.Link(f.at("one/d/f"), f.at("one/link")), os.Chmod(f.at("one/d/f"), 0o4000), os.Chmod(f.at("one/d"), 0)); err != nil {
		t.Fatal(err)
	}
	reader := f.store()
	wantBlob(t, reader, "content of f")
	only := func(d digest.Digest) bool { return d == digest.FromString("content of f") }
	for range 2 { // the first call may have been killed
		if err := f.store().TakeBack(f.at(), only); err != nil {
			t.Fatal(err)
		}
		wantBlob(t, reader, "content of f")
		wantBlob(t, f.store(), "content of g")
	}
	if err := RemoveAll(f.at()); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Store{reader, f.store()} {
		wantBlob(t, s, "content of f")
		wantNoBlob(t, s, "content of g")
	}
	info, err := os.Stat(f.store().path("blobs", digest.FromString("content of f")))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v, want the mode of a blob", info, err)
	}
}

// TestSweepLocated checks that Sweep removes a layer that contains an unused blob, but keeps
// the other blobs in the layer.
func TestSweepLocated(t *testing.T) {
	f := newLocated(t)
	s := f.store()
	f.layer(s, "two", map[string]string{"h": "content of h"})
	keep := map[digest.Digest]bool{digest.FromString("content of f"): true, digest.FromString("content of h"): true}
	for range 2 {
		if err := s.Sweep(t.Context(), keep, nil); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*Store{s, f.store()} {
			wantBlob(t, s, "content of f")
			wantNoBlob(t, s, "content of g")
			wantBlob(t, s, "content of h")
		}
		if names := f.layers(); !slices.Equal(names, []string{"two"}) {
			t.Errorf("layers %v, want two", names)
		}
	}
}

// TestTakeBackWhileOpening checks that another process can open every blob at any time while
// TakeBack moves the blobs.
func TestTakeBackWhileOpening(t *testing.T) {
	f := newLocated(t)
	s, reader := f.store(), f.store()
	files := map[string]string{}
	for i := range 500 {
		files[fmt.Sprint(i)] = fmt.Sprint("content ", i)
	}
	f.layer(s, "many", files)
	var all sync.WaitGroup
	all.Go(func() {
		if err := s.TakeBack(f.at(), nil); err != nil {
			t.Error(err)
		}
	})
	all.Go(func() {
		for _, data := range files {
			wantBlob(t, reader, data)
		}
	})
	all.Wait()
}

// TestPutFile checks that PutFile returns an error for a file that does not have the expected
// content.
func TestPutFile(t *testing.T) {
	f := newLocated(t)
	s := f.store()
	if err := os.WriteFile(f.at("file"), []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.PutFile(t.Context(), f.at(), Location{blobOf("data"), "file"}); err != nil {
		t.Error(err)
	}
	wantBlob(t, s, "data")
	if err := s.PutFile(t.Context(), f.at(), Location{blobOf("date"), "file"}); err == nil || !strings.Contains(err.Error(), "/file has changed") {
		t.Errorf("error %v, want that the file has changed", err)
	}
}

// TestIndexOfDuplicates checks that an index contains the first of several paths with the same
// content, regardless of the order in which they are passed. Two processes that write the same
// layer must write the same index.
func TestIndexOfDuplicates(t *testing.T) {
	list := []Location{{blobOf("x"), "b"}, {blobOf("y"), "c"}, {blobOf("x"), "a"}}
	first, err := encodeIndex(list)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(list)
	second, err := encodeIndex(list)
	if err != nil || !slices.Equal(first, second) {
		t.Errorf("indexes differ, %v, want the same", err)
	}
	x, err := parseIndex("layer", first)
	if err != nil {
		t.Fatal(err)
	}
	key, err := indexKey(blobOf("x").Digest)
	if err != nil {
		t.Fatal(err)
	}
	if i, ok := x.find(key); !ok || x.location(i) != (Location{blobOf("x"), "a"}) || x.count != 2 {
		t.Errorf("found %t, %v in %d blobs, want a in 2", ok, x.location(i), x.count)
	}
	for _, d := range []digest.Digest{"", "sha256:0", "sha512:" + digest.Digest(strings.Repeat("0", 64)), "sha256:" + digest.Digest(strings.Repeat("g", 64))} {
		if _, err := indexKey(d); err == nil {
			t.Errorf("%s: no error", d)
		}
	}
}
