package inprocess

import (
	"os"
	"path/filepath"
	"testing"

	"slipway/internal/slowtest"
	"slipway/solver/tree"
)

// TestReplaceDir checks that the directory exists at all times while replaceDir
// replaces its content, and that no temporary files remain.
func TestReplaceDir(t *testing.T) {
	slowtest.Skip(t, "repeats a race")
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
				t.Errorf("replaceDir leaves %d files next to the directory, error %v, want none", len(left)-1, err)
			}
			return
		default:
		}
		if _, err := os.Stat(dir); err != nil {
			t.Fatalf("stat during replaceDir: error %v, want nil", err)
		}
	}
}
