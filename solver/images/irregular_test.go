//go:build unix

package images

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// TestIrregularNames replaces the file for an image name by a file that is not regular.
// Reading the name must return an error, and storing an image under the name must succeed.
func TestIrregularNames(t *testing.T) {
	n := newNames(t)
	const name = "docker.io/library/app:1"
	root := n.image(t, n.result(t, "linux/amd64", "content", hour(1)))
	if err := n.Put(root, []string{name}); err != nil {
		t.Fatal(err)
	}
	file := n.file(name)
	for kind, create := range map[string]func() error{
		"directory": func() error { return os.MkdirAll(file+"/x", 0o700) },
		"FIFO":      func() error { return syscall.Mkfifo(file, 0o600) },
	} {
		if err := errors.Join(os.Remove(file), create()); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Get(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: error %v, want one about a damaged image", kind, err)
		}
		if _, damaged, err := n.List(); err != nil || len(damaged) != 1 || damaged[0] != file {
			t.Errorf("%s: damaged %q, %v, want %q", kind, damaged, err, file)
		}
		if err := n.Put(root, []string{name}); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Get(name); err != nil {
			t.Errorf("%s: after Put: %v", kind, err)
		}
	}
}
