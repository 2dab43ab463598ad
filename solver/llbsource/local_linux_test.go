package llbsource

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"slipway/internal/testtree"
)

// TestLocalWhiteouts checks that a local source omits character devices with device number
// 0/0, because overlayfs would interpret them as whiteouts.
func TestLocalWhiteouts(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(filepath.Join(dir, "whiteout"), unix.S_IFCHR, 0); err != nil {
		t.Fatal(err)
	}
	s, err := openLocal(t, dir, time.Unix(0, 0)).Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if list := testtree.Must(testtree.Of(s).Entries()); len(list) != 1 || list[0].Name != "a" {
		t.Errorf("the source has %v, want a", list)
	}
}
