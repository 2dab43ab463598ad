package inprocess

import (
	"os"
	"path/filepath"
	"testing"

	"slipway/solver/tree"
)

// TestReplaceDir checks that a directory exists at all times while it is replaced.
func TestReplaceDir(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := &Files{Store: store}
	dir := filepath.Join(t.TempDir(), "cache")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	replaced := make(chan error)
	go func() {
		for range 300 {
			if err := f.replaceDir(t.Context(), dir, tree.Empty()); err != nil {
				replaced <- err
				return
			}
		}
		replaced <- nil
	}()
	for {
		select {
		case err := <-replaced:
			if err != nil {
				t.Error(err)
			}
			if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
				t.Errorf("%d files are left beside the directory, %v, want it alone", len(left)-1, err)
			}
			return
		default:
		}
		if _, err := os.Stat(dir); err != nil {
			t.Fatalf("while it is replaced: %v", err)
		}
	}
}
