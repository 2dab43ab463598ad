package builder

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/builder/state"
	"slipway/internal/slowtest"
	"slipway/solver/tree"
)

// damagedDockerfile is a Dockerfile whose RUN steps write files that differ from all files in
// the context. If one of their blobs is damaged, the content is lost and the step must run again.
const damagedDockerfile = "FROM scratch\nCOPY base /\nCOPY a /\nRUN cat a a > /b\nRUN cat b b > /c\n"

// buildArchive builds an OCI archive whose bytes depend on the result only, not on times.
func buildArchive(t *testing.T, o Options) []byte {
	t.Helper()
	dest := filepath.Join(t.TempDir(), "image.tar")
	o.Outputs = []Output{{Type: "oci", Dest: dest, Attrs: rewriteTimes()}, {Type: "local", Dest: t.TempDir()}}
	o.BuildArgs = map[string]string{"SOURCE_DATE_EPOCH": "1"}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(dest)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// files returns the paths of the files below a directory.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// damageKinds returns functions that damage a file in different ways. The keys describe the
// damage, such as "emptied".
func damageKinds() map[string]func(file string) error {
	write := func(file string, change func([]byte) []byte) error {
		data, err := os.ReadFile(file)
		if err != nil || len(data) < 2 {
			return err
		}
		return os.WriteFile(file, change(data), 0o600)
	}
	return map[string]func(string) error{
		"emptied": func(file string) error { return os.Truncate(file, 0) },
		"removed": os.Remove,
		"cut":     func(file string) error { return write(file, func(b []byte) []byte { return b[:len(b)/2] }) },
		"longer":  func(file string) error { return write(file, func(b []byte) []byte { return append(b, 'x') }) },
		"flipped": func(file string) error {
			return write(file, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		},
		"flipped at the end": func(file string) error {
			return write(file, func(b []byte) []byte { b[len(b)-2] ^= 4; return b })
		},
		"a directory": func(file string) error {
			return os.MkdirAll(filepath.Join(file, "x"), 0o700)
		},
	}
}

// TestDamage damages all files in a subdirectory of the state directory, such as store/blobs.
// The next build must produce the same image and leave a valid state directory.
func TestDamage(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	o := options(t, damagedDockerfile)
	want := buildArchive(t, o)
	for about, damage := range damageKinds() {
		for _, dir := range []string{"cache", "store/dirs", "store/blobs", "layers", "explain"} {
			for _, file := range files(t, filepath.Join(o.State, dir)) {
				if about == "a directory" {
					if err := os.Remove(file); err != nil {
						t.Fatal(err)
					}
				}
				if err := damage(file); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(buildArchive(t, o), want) {
				t.Errorf("%s %s: the build produces a different image", dir, about)
			}
			soundState(t, o.State)
		}
		for _, file := range files(t, o.State) {
			if filepath.Base(file) == "files" {
				if err := damage(file); err != nil && about != "a directory" {
					t.Fatal(err)
				}
			}
		}
		if !bytes.Equal(buildArchive(t, o), want) {
			t.Errorf("index of files %s: the build produces a different image", about)
		}
	}
}

// TestDamagedChains damages the files that contain the lowest layers of results with many
// layers. The next build must produce the same image and leave a valid state directory.
func TestDamagedChains(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	o := options(t, damagedDockerfile+strings.Repeat("COPY a /copy\nRUN cat b > /copy\n", 9))
	want := buildArchive(t, o)
	for about, damage := range damageKinds() {
		chains := files(t, filepath.Join(o.State, "cache", "chains"))
		if len(chains) == 0 {
			t.Fatalf("no chain files before they are damaged (%s), want at least one", about)
		}
		for _, file := range chains {
			if about == "a directory" {
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
			}
			if err := damage(file); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(buildArchive(t, o), want) {
			t.Errorf("%s: the build produces a different image", about)
		}
		soundState(t, o.State)
	}
}

// TestDamageOfOne damages single files in the state directory, one at a time. The next build
// must produce the same image.
func TestDamageOfOne(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	o := options(t, damagedDockerfile)
	want := buildArchive(t, o)
	flip := damageKinds()["flipped"]
	for _, file := range files(t, o.State) {
		info, err := os.Stat(file)
		if err != nil || info.Size() < 2 {
			continue // a build has removed the file, or it is a lock
		}
		if err := flip(file); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(buildArchive(t, o), want) {
			t.Errorf("%s with a flipped bit: the build produces a different image", file)
		}
	}
}

// soundState fails the test if a cache record in the state directory dir is invalid or refers
// to a damaged file, or if the directory contains a temporary file.
func soundState(t *testing.T, dir string) {
	t.Helper()
	s, err := openLocal(&Options{State: dir, Now: time.Now}, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := files(t, filepath.Join(dir, "cache"))
	if err := s.Cache.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := files(t, filepath.Join(dir, "cache")); len(after) != len(before) {
		t.Errorf("%d of %d records are damaged", len(before)-len(after), len(before))
	}
	for _, file := range files(t, filepath.Join(dir, "store", "tmp")) {
		t.Errorf("%s still exists", file)
	}
}

// TestForeignFiles adds unknown files to the state directory. The unknown files must not affect
// builds, and a prune must remove the unknown files that look like temporary files.
func TestForeignFiles(t *testing.T) {
	o := options(t, damagedDockerfile)
	want := buildArchive(t, o)
	for _, name := range []string{"x", "cache/x", "cache/ab/x.json", "cache/zz", "store/x", "store/blobs/x", "store/blobs/ab/x", "store/dirs/ab/x", "layers/x.json", "mounts/x", "explain/x", "namespace/x", "outputs/.slipway-x", "store/tmp/x"} {
		file := filepath.Join(o.State, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("/etc"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(buildArchive(t, o), want) {
		t.Error("the build gives another image")
	}
	if _, err := state.Entries(t.Context(), o.State, o.Now); err != nil {
		t.Error(err)
	}
	if _, err := state.Prune(t.Context(), o.State, o.Now, state.PruneOptions{KeepBytes: 1 << 40}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"cache/ab/x.json", "cache/zz", "store/blobs/x", "store/blobs/ab/x", "outputs/.slipway-x", "store/tmp/x"} {
		if _, err := os.Stat(filepath.Join(o.State, name)); err == nil {
			t.Errorf("%s still exists", name)
		}
	}
	if !bytes.Equal(buildArchive(t, o), want) {
		t.Error("after the prune: the build produces a different image")
	}
}

// TestPutDamagedBlob checks that storing a blob again replaces a damaged copy.
func TestPutDamagedBlob(t *testing.T) {
	dir := t.TempDir()
	put := func() (*tree.Store, tree.Blob) {
		s, err := tree.OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.PutBytes([]byte("content"))
		if err != nil {
			t.Fatal(err)
		}
		return s, b
	}
	put()
	for _, file := range files(t, dir) {
		if err := damageKinds()["flipped"](file); err != nil {
			t.Fatal(err)
		}
	}
	s, b := put()
	if f, err := s.Open(b); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
}
