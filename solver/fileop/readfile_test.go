package fileop

import (
	"testing"

	"slipway/solver/tree"
)

// TestLargeDatabase checks that ReadFile returns an error for a very large file. A sparse
// file in an image can be larger than the available memory.
func TestLargeDatabase(t *testing.T) {
	n, err := tree.NewDir(tree.Meta{Mode: 0o755}, []tree.Entry{{Name: "passwd", Node: tree.NewFile(tree.Meta{}, tree.Blob{Size: maxFile + 1})}})
	if err != nil {
		t.Fatal(err)
	}
	const want = "/passwd is larger than 100 MiB"
	if _, err := ReadFile(t.Context(), nil, n, "passwd"); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestReadFile checks that ReadFile follows symbolic links, and returns an error for a
// directory or a path that does not exist.
func TestReadFile(t *testing.T) {
	s := newStore(t)
	e := tree.Edit(treeOf(t, s, map[string]string{"d/f": "content"}))
	if err := e.Put("l", tree.NewSymlink(tree.Meta{}, "/d/f")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"d/f": "content", "/d/f": "content", "l": "content",
		"none": "open /none: no such file or directory", "d": "read /d: is a directory",
	} {
		data, err := ReadFile(t.Context(), s, e.Tree(), name)
		got := string(data)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
