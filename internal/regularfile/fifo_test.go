//go:build unix

package regularfile

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFIFO checks that opening a FIFO without a writer returns an error instead
// of blocking.
func TestFIFO(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(name); err == nil || !strings.HasSuffix(err.Error(), "fifo: is not a regular file") {
		t.Errorf("error %v", err)
	}
}
