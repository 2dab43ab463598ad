package export

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/solver/tree"
)

// TestSpecialFiles checks that WriteDir creates pipes and devices, and that it reports the
// path of each pipe or device that this process is not permitted to create.
func TestSpecialFiles(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sub, err := tree.NewDir(tree.Meta{Mode: 0o755}, []tree.Entry{
		{Name: "null", Node: tree.NewDevice(tree.CharDevice, tree.Meta{Mode: 0o640}, tree.Device{Major: 1, Minor: 3})},
		{Name: "pipe", Node: tree.NewDevice(tree.Fifo, tree.Meta{Mode: 0o640}, tree.Device{})},
	})
	if err != nil {
		t.Fatal(err)
	}
	root, err := tree.NewDir(tree.Meta{Mode: 0o755}, []tree.Entry{{Name: "d", Node: sub}})
	if err != nil {
		t.Fatal(err)
	}
	dest := t.TempDir()
	var refused []string
	o := Outputs{Records: t.TempDir(), Refused: func(name string) { refused = append(refused, name) }}
	if err := o.WriteDir(t.Context(), dest, root, store); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"d/pipe": fs.ModeNamedPipe | 0o640, "d/null": fs.ModeDevice | fs.ModeCharDevice | 0o640} {
		info, err := os.Lstat(filepath.Join(dest, name))
		switch {
		case slices.Contains(refused, name):
			if err == nil {
				t.Errorf("%s was reported as refused, but exists", name)
			}
		case err != nil || info.Mode() != want:
			t.Errorf("%s: %v, %v; want mode %v", name, info, err, want)
		}
	}
	if slices.Contains(refused, "d/pipe") {
		t.Error("a pipe was reported as refused, but any user may create one")
	}
}

// TestDelete checks that WriteDir with Delete removes files that are not in the tree, also from
// directories without write permission, and leaves no temporary files.
func TestDelete(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := store.PutBytes([]byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	e := tree.Edit(nil)
	if _, err := e.MkdirAll("both", tree.Meta{Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "both/new"} {
		if err := e.Put(name, tree.NewFile(tree.Meta{Mode: 0o600}, b)); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	for _, d := range []string{"file", "both/gone", "gone/deep"} { // a file replaces the directory file
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, d, "old"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "both", "link")); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"gone/deep", "gone", "both/gone", "both"} {
		if err := os.Chmod(filepath.Join(dir, d), 0o500); err != nil {
			t.Fatal(err)
		}
	}
	if err := (Outputs{Delete: true}).WriteDir(t.Context(), dir, e.Tree(), store); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		got = append(got, strings.TrimPrefix(name, dir))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if want := " /both /both/new /file"; strings.Join(got, " ") != want {
		t.Errorf("the directory has %q, want %q", got, want)
	}
}
