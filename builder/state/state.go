package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"slipway/solver/diskcache"
	"slipway/solver/export"
	"slipway/solver/images"
	"slipway/solver/llbsource"
	"slipway/solver/tree"
)

// Dir is an open state directory.
type Dir struct {
	Path   string // absolute
	Store  *tree.Store
	Cache  *diskcache.Cache
	Files  *llbsource.Index // digests of context files
	Images *images.Names    // names of stored images

	now func() time.Time
}

// Default returns the default state directory of this user.
func Default() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("there is no directory for the cache: %w", err)
	}
	return filepath.Join(dir, "slipway"), nil
}

// Open opens a state directory. A missing one is created.
func Open(dir string, now func() time.Time) (*Dir, error) {
	d := &Dir{now: now}
	var err error
	if d.Path, err = filepath.Abs(dir); err != nil { // runners work in other directories
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if err := checkOwner(d.Path, os.Geteuid()); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if d.Store, err = tree.OpenStore(d.join("store")); err == nil {
		d.Cache, err = diskcache.Open(d.join("cache"), d.Store, now)
	}
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	d.Images = &images.Names{Dir: d.join("images"), Store: d.Store}
	d.Files = llbsource.OpenIndex(d.join("files"), now)
	return d, nil
}

func (d *Dir) join(name string) string { return filepath.Join(d.Path, name) }

// Mounts returns the directory of cache mounts.
func (d *Dir) Mounts() string { return d.join("mounts") }

// Namespace returns the directory of the runner whose processes run in namespaces.
func (d *Dir) Namespace() string { return d.join("namespace") }

// Temp returns the directory of downloads.
func (d *Dir) Temp() string { return d.join("temp") }

// Explained returns the file with the steps of the last build that id identifies.
func (d *Dir) Explained(id string) string { return filepath.Join(d.join("explain"), id+".json") }

// Layers returns the blobs of exported layers.
func (d *Dir) Layers(now time.Time) *export.Layers {
	return &export.Layers{Store: d.Store, Dir: d.join("layers"), Now: now}
}

// Outputs returns the writer of outputs outside the state directory.
func (d *Dir) Outputs() export.Outputs { return export.Outputs{Records: d.join("outputs")} }

// Repair removes damaged blobs and directories, and what refers to them.
func (d *Dir) Repair(ctx context.Context) error {
	if err := errors.Join(d.Store.Repair(ctx), d.Cache.Repair(ctx), d.Files.Keep(d.Store.Has)); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	return nil
}

// lockPoll is the interval in which a prune checks if builds have ended.
const lockPoll = 50 * time.Millisecond

// Hold locks the state directory for a build, until release is called or this process
// ends. Builds share the lock; a prune holds it exclusively. A build that is exclusive removes
// what killed builds left.
func (d *Dir) Hold(ctx context.Context) (release func(), err error) {
	lock := flock.New(d.join("lock"))
	if exclusive, err := lock.TryLock(); err == nil && exclusive {
		_ = d.reclaim() // what stays does no harm, and a prune reports it
		_ = lock.Unlock()
	}
	return share(ctx, lock)
}

// TryExclusive locks the state directory exclusively if no build is running. Otherwise ok
// is false.
func (d *Dir) TryExclusive() (release func(), ok bool, err error) {
	lock := flock.New(d.join("lock"))
	ok, err = lock.TryLock()
	if err != nil {
		return nil, false, fmt.Errorf("state directory: %w", err)
	}
	return func() { _ = lock.Unlock() }, ok, nil
}

// HoldOutputs returns the writer of the outputs of a build by a BuildKit, to be used until
// release is called. It records them in the state directory, which it does not open
// otherwise, and first removes temporary outputs of killed builds. If dir is "", nothing is
// recorded.
func HoldOutputs(ctx context.Context, dir string) (outputs export.Outputs, release func(), err error) {
	if dir == "" {
		return outputs, func() {}, nil
	}
	if err := checkOwner(dir, os.Geteuid()); err != nil {
		return outputs, nil, fmt.Errorf("state directory: %w", err)
	}
	outputs.Records = filepath.Join(dir, "builder")
	if err := os.MkdirAll(outputs.Records, 0o700); err != nil {
		return outputs, nil, err
	}
	lock := flock.New(filepath.Join(outputs.Records, "lock"))
	if exclusive, err := lock.TryLock(); err == nil && exclusive {
		_ = outputs.Reclaim() // what stays does no harm
		_ = lock.Unlock()
	}
	release, err = share(ctx, lock)
	return outputs, release, err
}

// share takes the lock of builds.
func share(ctx context.Context, lock *flock.Flock) (release func(), err error) {
	if _, err := lock.TryRLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil
}
