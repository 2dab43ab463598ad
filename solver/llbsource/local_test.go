package llbsource

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tonistiigi/fsutil/types"

	"slipway/solver"
	"slipway/solver/tree"
)

// openLocal opens the directory dir as the local source of a build that runs at the given
// time.
func openLocal(t *testing.T, dir string, now time.Time) solver.Source {
	t.Helper()
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &Sources{Store: store, Dirs: map[string]string{"context": dir}, Now: func() time.Time { return now }}
	src, err := s.local(t.Context(), "context", nil)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// TestLocalDigest checks that the digest of a local source depends on the contents and
// metadata that a copy preserves, and on nothing else.
func TestLocalDigest(t *testing.T) {
	dir, old, later := t.TempDir(), time.Unix(1_000_000_000, 0), time.Unix(1_400_000_000, 0)
	write := func(name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	touch := func(at time.Time, names ...string) {
		t.Helper()
		for _, name := range names {
			if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("a")
	write("d/b")
	touch(old, "a", "d/b", "d")
	last := openLocal(t, dir, old)
	if again := openLocal(t, dir, later); again.Digest() != last.Digest() {
		t.Errorf("digest of the same files in a later build: %s, want %s", again.Digest(), last.Digest())
	}
	for _, step := range []struct {
		about  string
		change func()
	}{
		{"the time of a file", func() { touch(later, "a") }},
		{"the time of a directory", func() { touch(later, "d") }},
		{"another file", func() { write("c"); touch(later, "c") }},
		{"a hard link in its place", func() {
			if err := os.Remove(filepath.Join(dir, "c")); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "c")); err != nil {
				t.Fatal(err)
			}
		}},
		{"a mode", func() {
			if err := os.Chmod(filepath.Join(dir, "a"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		step.change()
		now := openLocal(t, dir, old)
		if now.Digest() == last.Digest() {
			t.Errorf("%s: the digest is still %s", step.about, now.Digest())
		}
		last = now
	}
}

// TestLocalMeta checks that files lose their capabilities and directories keep them, as
// in BuildKit.
func TestLocalMeta(t *testing.T) {
	for _, tc := range []struct {
		mode fs.FileMode
		want []tree.Xattr
	}{
		{0o644, []tree.Xattr{{Name: "trusted.b", Value: "2"}, {Name: "user.a", Value: "1"}}},
		{fs.ModeDir | 0o644, []tree.Xattr{{Name: tree.Capability, Value: "3"}, {Name: "trusted.b", Value: "2"}, {Name: "user.a", Value: "1"}}},
	} {
		got := metaOf(&types.Stat{Mode: uint32(tc.mode), ModTime: 5, Xattrs: map[string][]byte{
			"user.a": []byte("1"), "trusted.b": []byte("2"), tree.Capability: []byte("3"),
		}})
		if got.Mode != 0o644 || !got.ModTime.Equal(time.Unix(0, 5)) || !slices.Equal(got.Xattrs, tc.want) {
			t.Errorf("%v: metadata %+v, want attributes %+v", tc.mode, got, tc.want)
		}
	}
}
