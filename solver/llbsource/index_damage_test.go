package llbsource

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// TestDamagedIndexFile checks that an index is empty after bits of its file were flipped. If a
// damaged index were used, a file could get the content of another file.
func TestDamagedIndexFile(t *testing.T) {
	dir := t.TempDir()
	content, file := filepath.Join(dir, "content"), filepath.Join(dir, "index")
	if err := os.WriteFile(content, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(content)
	if err != nil {
		t.Fatal(err)
	}
	x := OpenIndex(file, time.Now)
	x.remember(content, info, tree.Blob{Digest: digest.FromString("x"), Size: 1})
	if err := x.Save(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := OpenIndex(file, time.Now).lookup(content, info); !ok {
		t.Error("the index lost a file")
	}
	for i := range data {
		data[i] ^= 1
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if b, ok := OpenIndex(file, time.Now).lookup(content, info); ok {
			t.Errorf("bit flipped in byte %d: found %v", i, b)
		}
		data[i] ^= 1
	}
}
