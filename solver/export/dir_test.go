package export

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
