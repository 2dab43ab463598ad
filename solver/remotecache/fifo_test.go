//go:build unix

package remotecache

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestFIFOs checks that reading a cache from a directory returns an error if a file is a
// FIFO. Opening a FIFO like a regular file would block forever.
func TestFIFOs(t *testing.T) {
	l := &localStorage{dir: t.TempDir(), ref: "latest"}
	blob := ocispecs.Descriptor{Digest: digest.FromString("x")}
	for _, name := range []string{filepath.Join(l.dir, "index.json"), l.blob(blob.Digest)} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), syscall.Mkfifo(name, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	const want = "is not a regular file"
	if _, err := l.manifest(t.Context(), ""); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("index: error %v, want %s", err, want)
	}
	if _, err := readBlob(t.Context(), l, blob); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("blob: error %v, want %s", err, want)
	}
}
