package llbsource

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestStable checks that a file written a moment ago is not added to the index, because
// another write within the same clock tick would not change its times.
func TestStable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	for later, want := range map[time.Duration]bool{-time.Hour: false, 0: false, clockTick / 2: false, 2 * clockTick: true} {
		x := OpenIndex(filepath.Join(t.TempDir(), "index"), func() time.Time { return info.ModTime().Add(later) })
		if got := x.isStable(info); got != want {
			t.Errorf("%v after a file was written: stable %t, want %t", later, got, want)
		}
	}
}
