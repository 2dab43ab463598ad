// Package testarchive reads tar archives in tests.
package testarchive

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"testing"
)

// Read returns a map from the name of each file in an uncompressed tar archive to its
// content.
func Read(t testing.TB, file string) map[string][]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}
