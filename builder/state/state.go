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
	Path   string // absolute path of the directory
	Store  *tree.Store
	Cache  *diskcache.Cache
	Files  *llbsource.Index // digests of context files
	Images *images.Names    // names of stored images

	now func() time.Time
}

// Default returns the path of this user's default state directory.
func Default() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("default state directory: %w (use --state)", err)
	}
	return filepath.Join(dir, "slipway"), nil
}

// Open opens a state directory, and creates it if it does not exist. It returns an error if
// another user could control the directory. The parameter now is a clock, such as time.Now.
func Open(dir string, now func() time.Time) (*Dir, error) {
	d := &Dir{now: now}
	var err error
	if d.Path, err = filepath.Abs(dir); err != nil { // runners have other working directories
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if err := checkOwner(d.Path, os.Geteuid()); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if err := removeIrregular(d.Path); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if d.Store, err = tree.OpenStore(d.join("store")); err == nil {
		d.Cache, err = diskcache.Open(d.join("cache"), d.Store, now)
	}
	if err == nil {
		err = d.markNew()
	}
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	for _, dir := range []string{d.Namespace(), d.Namespace() + removalSuffix} {
		d.Store.AddLayers(runnerLayers(dir))
	}
	d.Store.UseRecent(d.join("recent"))
	d.Images = &images.Names{Dir: d.join("images"), Store: d.Store}
	d.Files = llbsource.OpenIndex(d.join("files"), now)
	return d, nil
}

func (d *Dir) join(name string) string { return filepath.Join(d.Path, name) }

// Mounts returns the directory of cache mounts.
func (d *Dir) Mounts() string { return d.join("mounts") }

// Namespace returns the directory of the namespace runner, see solver/runner/namespace.
func (d *Dir) Namespace() string { return d.join("namespace") }

// Chroot returns the directory of the chroot runner, see solver/runner/chroot.
func (d *Dir) Chroot() string { return d.join("chroot") }

// runnerLayers returns the directory for the layers of the namespace runner, which contains
// one subdirectory per boot ID. The parameter dir is the directory of the runner.
func runnerLayers(dir string) string { return filepath.Join(dir, "layers") }

// Temp returns the directory for temporary files of sources, such as git packs.
func (d *Dir) Temp() string { return d.join("temp") }

// Explained returns the path of the file that records the steps of the last build of the
// Dockerfile with the given id.
func (d *Dir) Explained(id string) string { return filepath.Join(d.join("explain"), id+".json") }

// ReceivedDirs returns the path of the directory that contains the local sources of clients,
// which a server has received. The parameter dir is the path of the state directory.
func ReceivedDirs(dir string) string { return filepath.Join(dir, "received") }

// History returns the path of the directory with the history of a server's builds. The parameter
// dir is the path of the state directory.
func History(dir string) string { return filepath.Join(dir, "history") }

// Layers returns the cache of exported layer blobs. The parameter now becomes the creation time
// of new layers.
func (d *Dir) Layers(now time.Time) *export.Layers {
	return &export.Layers{Store: d.Store, Dir: d.join("layers"), Now: now}
}

// Outputs returns a writer for build outputs outside the state directory. The writer records
// incomplete outputs in the state directory, so that they can be removed if this process is
// killed.
func (d *Dir) Outputs() export.Outputs { return export.Outputs{Records: d.join("outputs")} }

// Repair verifies all blobs and directories in the store. It removes the damaged blobs and
// directories, and the cache entries that refer to them.
func (d *Dir) Repair(ctx context.Context) error {
	if err := errors.Join(d.Store.Repair(ctx), d.Cache.Repair(ctx), d.Files.Keep(d.Store.Has)); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	return nil
}

// lockPoll is the interval between two attempts of a process to take a lock.
const lockPoll = 50 * time.Millisecond

// Hold locks the state directory for a build, until release is called or this process ends.
// Builds share the lock, and a prune holds it exclusively. If no other build is running, Hold
// first removes the temporary files of killed builds.
func (d *Dir) Hold(ctx context.Context) (release func(), err error) {
	lock := flock.New(d.join("lock"))
	if exclusive, err := lock.TryLock(); err == nil && exclusive {
		_ = d.reclaim() // remaining files are harmless, and a prune reports the error
		_ = lock.Unlock()
	}
	unlock, err := share(ctx, lock)
	if err != nil {
		return nil, err
	}
	leave, err := d.enter()
	if err != nil {
		unlock()
		return nil, fmt.Errorf("state directory: %w", err)
	}
	return func() { leave(); unlock() }, nil
}

// TryExclusive locks the state directory exclusively if no build is running. If a build is
// running, ok is false and release does nothing.
func (d *Dir) TryExclusive() (release func(), ok bool, err error) {
	lock := flock.New(d.join("lock"))
	ok, err = lock.TryLock()
	if err != nil {
		return nil, false, fmt.Errorf("state directory: %w", err)
	}
	return func() { _ = lock.Unlock() }, ok, nil
}

// HoldOutputs returns a writer for the outputs of a build by a daemon. The writer records
// incomplete outputs in the state directory dir. HoldOutputs first removes the incomplete
// outputs of killed builds. If dir is "", the writer records nothing. The caller must call
// release after writing.
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
		_ = outputs.Reclaim() // remaining files are harmless
		_ = lock.Unlock()
	}
	release, err = share(ctx, lock)
	return outputs, release, err
}

// share acquires a shared lock of a state directory, as every build does. It waits while
// another process holds the lock exclusively.
func share(ctx context.Context, lock *flock.Flock) (release func(), err error) {
	if _, err := lock.TryRLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil
}
