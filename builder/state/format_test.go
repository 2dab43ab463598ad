package state_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/builder/state"
)

// TestFormat checks that Open removes the cached results of another version and keeps
// everything else, but not while a build is running.
func TestFormat(t *testing.T) {
	dir := t.TempDir()
	d, err := state.Open(dir, time.Now)
	if err != nil || d.Discarded {
		t.Fatalf("new directory: error %v, discarded %t", err, d.Discarded)
	}
	kept := []string{"mounts/m/data/f", "store/blobs/ab/cd", "images/i.json"}
	removed := []string{"cache/ab/cd.json", "store/dirs/ab/cd"}
	for _, name := range append(kept, removed...) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, mark := range []string{"1\n", "", "3\n"} {
		if err := os.WriteFile(filepath.Join(dir, "format"), []byte(mark), 0o600); err != nil {
			t.Fatal(err)
		}
		release, err := d.Hold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := state.Open(dir, time.Now); err == nil || !strings.Contains(err.Error(), "another version of slipway is using") {
			t.Errorf("format %q during a build: error %v", mark, err)
		}
		release()
		again, err := state.Open(dir, time.Now)
		if err != nil || !again.Discarded {
			t.Errorf("format %q: error %v, discarded %t", mark, err, again.Discarded)
		}
		if again, err = state.Open(dir, time.Now); err != nil || again.Discarded {
			t.Errorf("format %q, second time: error %v, discarded %t", mark, err, again.Discarded)
		}
	}
	for _, name := range kept {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	for _, name := range removed {
		if _, err := os.Stat(filepath.Join(dir, name)); !os.IsNotExist(err) {
			t.Errorf("%s: error %v, want a removed file", name, err)
		}
	}
}
