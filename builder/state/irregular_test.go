//go:build unix

package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/builder/state"
)

// TestIrregularFiles checks Open on a state directory that contains FIFOs and directories at
// the paths of its own files. Open must remove FIFOs and empty directories, and must return
// an error for other directories.
func TestIrregularFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"lock", "format", "files", "recent", "gc"} {
		file := filepath.Join(dir, name)
		for _, create := range []func() error{
			func() error { return syscall.Mkfifo(file, 0o600) },
			func() error { return os.Mkdir(file, 0o700) },
		} {
			if err := errors.Join(os.RemoveAll(file), create()); err != nil {
				t.Fatal(err)
			}
			d, err := state.Open(dir, time.Now)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			release, _, err := d.HoldForBuild(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			release()
			if err := d.Files.Save(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := (state.GC{}).Collect(t.Context(), dir, time.Now); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := errors.Join(os.RemoveAll(file), os.MkdirAll(filepath.Join(file, "user"), 0o700)); err != nil {
			t.Fatal(err)
		}
		if _, err := state.Open(dir, time.Now); err == nil || !strings.HasPrefix(err.Error(), "state directory: ") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s with a file: error %v", name, err)
		}
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
	}
}
