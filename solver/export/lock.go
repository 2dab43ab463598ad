package export

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/regularfile"
)

// lockRetry is the interval between two attempts of a process to take a lock.
const lockRetry = 10 * time.Millisecond

// LockIndex locks the index.json of the OCI layout in dir, so that no entry is lost when
// several processes read, change and write it. It blocks until the lock is free or ctx
// ends. Like BuildKit's clients, it locks the file index.json.lock. The returned function
// unlock removes this file and releases the lock.
func LockIndex(ctx context.Context, dir string) (unlock func(), err error) {
	name := filepath.Join(dir, ocispecs.ImageIndexFile+".lock")
	for {
		if err := regularfile.Check(name); err != nil {
			return nil, err
		}
		lock := flock.New(name)
		if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		current, err := isCurrent(lock)
		if err == nil && current {
			return func() {
				os.Remove(name) // before another process can lock it
				_ = lock.Unlock()
			}, nil
		}
		if err = errors.Join(err, lock.Unlock()); err != nil {
			return nil, err
		}
	}
}

// isCurrent reports whether the path of the lock file still refers to the file that this
// process has locked. The previous holder may have removed the file after this process
// opened it.
func isCurrent(lock *flock.Flock) (bool, error) {
	locked, err := lock.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(lock.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(locked, named), err
}
