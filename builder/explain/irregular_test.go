//go:build unix

package explain

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"slipway/solver"
	"slipway/solver/tree"
)

// TestIrregularRecord checks builds that find a directory or a FIFO at the path of the record
// file. A build must treat it like a missing file, and must replace it when it records its
// steps.
func TestIrregularRecord(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "record")
	for kind, create := range map[string]func() error{
		"directory": func() error { return os.Mkdir(file, 0o700) },
		"FIFO":      func() error { return syscall.Mkfifo(file, 0o600) },
	} {
		if err := errors.Join(os.RemoveAll(file), create()); err != nil {
			t.Fatal(err)
		}
		b := solver.New(t.Context(), solver.Options{Store: store, Now: time.Now})
		if err := New(file, store, nil).Finish(nil, b, nil); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s is not replaced: %v, %v", kind, info, err)
		}
	}
}
