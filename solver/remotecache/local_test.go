package remotecache

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestLocalTags: concurrent exports to one directory, each with its own tag, lose no
// cache.
func TestLocalTags(t *testing.T) {
	const caches = 40
	dir := filepath.Join(t.TempDir(), "cache")
	manifest := func(i int) []byte { return []byte(fmt.Sprintf("manifest %d", i)) }
	var all sync.WaitGroup
	for i := range caches {
		all.Go(func() {
			data := manifest(i)
			d := ocispecs.Descriptor{Digest: digest.FromBytes(data), Size: int64(len(data))}
			if err := newLocal(dir, fmt.Sprint("tag", i), "").name(t.Context(), d, data); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range caches {
		got, err := newLocal(dir, fmt.Sprint("tag", i), "").manifest(t.Context(), "")
		if err != nil || string(got) != string(manifest(i)) {
			t.Errorf("tag%d: %q, %v, want %q", i, got, err, manifest(i))
		}
	}
}
