package build

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSameImage: a build that finds all in the cache makes the same image as the
// one before, at whatever time.
func TestSameImage(t *testing.T) {
	o := options(t, "FROM scratch\nENV A=1\nCOPY base /\nCOPY a /\nENV B=2\n")
	o.Describe = true
	now := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	o.Now = func() time.Time { return now }
	id := func() string {
		t.Helper()
		res, err := Build(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return res.Exported["containerimage.config.digest"]
	}
	first := id()
	now = now.Add(time.Hour)
	if again := id(); again != first || again == "" {
		t.Errorf("the same build made %s and %s", first, again)
	}
	if err := os.WriteFile(filepath.Join(o.Context, "a"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	if changed := id(); changed == first {
		t.Errorf("another file made the same image %s", first)
	}
}
