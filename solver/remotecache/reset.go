package remotecache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// lockRetry is the interval between two attempts of a process to take a lock.
const lockRetry = 10 * time.Millisecond

// lock returns the lock of the directory, which BuildKit's clients use, too. Exports share it while
// they write. A process that removes unused blobs needs it exclusively.
func (l *localStorage) lock() *flock.Flock { return flock.New(filepath.Join(l.dir, "cache.lock")) }

// hold protects the blobs of an export, which no index contains yet, until the caller calls
// release. It blocks until no process removes blobs from the directory.
func (l *localStorage) hold(ctx context.Context) (release func(), err error) {
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return nil, err
	}
	lock := l.lock()
	if _, err := lock.TryRLockContext(ctx, lockRetry); err != nil {
		return nil, fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	return func() { _ = lock.Close() }, nil
}

// reset removes the blobs that no cache in the directory contains. If another export to the
// directory is running, it does nothing: a later reset removes these blobs.
func (l *localStorage) reset(ctx context.Context) error {
	lock := l.lock()
	defer lock.Close()
	if ok, err := lock.TryLock(); err != nil || !ok {
		return err
	}
	idx, err := l.index()
	if err != nil {
		return err
	}
	return l.removeUnused(ctx, idx)
}

// removeUnused removes the blobs in the layout to which no manifest in the index refers.
func (l *localStorage) removeUnused(ctx context.Context, idx *ocispecs.Index) error {
	used := map[string]bool{}
	for _, d := range idx.Manifests {
		if err := l.use(ctx, d, used, 0); err != nil {
			return fmt.Errorf("reset of the cache: %w", err)
		}
	}
	return filepath.WalkDir(filepath.Join(l.dir, "blobs"), func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || used[name] {
			return err
		}
		return os.Remove(name)
	})
}

// maxIndexes is the maximum depth of indexes in indexes.
const maxIndexes = 8

// use adds the files of the blob d, and of the blobs to which it refers, to used. The parameter
// depth is the number of indexes that lead to d.
func (l *localStorage) use(ctx context.Context, d ocispecs.Descriptor, used map[string]bool, depth int) error {
	if err := d.Digest.Validate(); err != nil {
		return err
	}
	name := l.blob(d.Digest)
	if used[name] {
		return nil
	}
	used[name] = true
	if depth == maxIndexes || depth > 0 && !isManifest(d.MediaType) {
		return nil
	}
	data, err := readBlob(ctx, l, d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the layout is incomplete
	}
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("%s: %w", d.Digest, err)
	}
	for _, next := range slices.Concat(m.Layers, m.Manifests) {
		if err := l.use(ctx, next, used, depth+1); err != nil {
			return err
		}
	}
	if m.Config.Digest == "" {
		return nil
	}
	return l.use(ctx, m.Config, used, depth+1)
}

// isManifest reports whether blobs of a media type refer to other blobs.
func isManifest(mediaType string) bool {
	t := types.MediaType(mediaType)
	return t.IsImage() || t.IsIndex()
}
