//go:build unix

package regularfile

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFIFO checks that Open returns an error for a FIFO without a writer and does not block.
func TestFIFO(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(name); err == nil || !strings.HasSuffix(err.Error(), "fifo: is not a regular file") {
		t.Errorf("error %v, want one for a FIFO", err)
	}
}
