package golden

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"
)

// TestUnique checks that no two cases differ only in their titles. The title of one of them
// would be wrong.
func TestUnique(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	names := map[[sha256.Size]byte]string{} // by digest of everything after the title
	for _, c := range Cases(t) {
		data, err := os.ReadFile(filepath.Join(root, c.Name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := bytes.Cut(data, []byte("\n"))
		sum := sha256.Sum256(rest)
		if other, found := names[sum]; found {
			t.Errorf("%s equals %s except for the title", c.Name, other)
		}
		names[sum] = c.Name
	}
}
