//go:build unix

package export

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestLockFIFO checks that LockIndex returns an error instead of blocking if the lock file is
// a FIFO.
func TestLockFIFO(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "index.json.lock"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LockIndex(t.Context(), dir); err == nil || !strings.HasSuffix(err.Error(), "index.json.lock: is not a regular file") {
		t.Errorf("error %v", err)
	}
}
