package hostmount

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestRecordUse checks that the first uses of a cache mount can be concurrent, and that the file
// with the id is the only file that remains.
func TestRecordUse(t *testing.T) {
	h := &Mounts{Dir: t.TempDir(), Now: time.Now}
	for range 200 {
		dir := t.TempDir()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := h.recordUse(dir, "id"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		list, err := os.ReadDir(dir)
		data, readErr := os.ReadFile(filepath.Join(dir, "id"))
		if err != nil || readErr != nil || len(list) != 1 || string(data) != "id" {
			t.Fatalf("%v, %q, %v, %v", list, data, err, readErr)
		}
	}
}
