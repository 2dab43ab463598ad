package remotecache

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestLocalTags checks that concurrent exports with different tags to one directory do not
// remove each other's caches from the index.
func TestLocalTags(t *testing.T) {
	const caches = 40
	dir := filepath.Join(t.TempDir(), "cache")
	manifest := func(i int) []byte { return []byte(fmt.Sprintf("manifest %d", i)) }
	var all sync.WaitGroup
	for i := range caches {
		all.Go(func() {
			data := manifest(i)
			d := ocispecs.Descriptor{Digest: digest.FromBytes(data), Size: int64(len(data))}
			if err := (&localStorage{dir: dir, ref: fmt.Sprint("tag", i)}).tag(t.Context(), d, data); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range caches {
		got, err := (&localStorage{dir: dir, ref: fmt.Sprint("tag", i)}).manifest(t.Context(), "")
		if err != nil || string(got) != string(manifest(i)) {
			t.Errorf("tag%d: %q, %v, want %q", i, got, err, manifest(i))
		}
	}
}
