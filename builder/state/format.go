package state

import (
	"fmt"
	"os"

	"github.com/gofrs/flock"

	"slipway/solver/tree"
)

// formatVersion is the version of the formats of cache records and directories. Whoever
// changes one of them increments it.
const formatVersion = "2\n"

// checkFormat compares the version of the formats in the directory with formatVersion. If
// they differ, it removes the cached results, which other versions wrote, and returns true.
// Blobs, cache mounts and images stay, because their formats do not change. If a build is
// running, checkFormat does not remove its results but returns an error.
func (d *Dir) checkFormat() (discarded bool, err error) {
	mark := flock.New(d.join("format"))
	if isCurrent(mark.Path()) {
		return false, nil
	}
	if err := os.MkdirAll(d.Path, 0o700); err != nil {
		return false, err
	}
	if err := mark.Lock(); err != nil {
		return false, err
	}
	defer mark.Unlock() //nolint:errcheck // the lock ends with the process at the latest
	if isCurrent(mark.Path()) {
		return false, nil // another process was faster
	}
	release, ok, err := d.TryExclusive()
	if err != nil {
		return false, err
	}
	if !ok {
		return false, fmt.Errorf("another version of slipway is using %s (wait until it ends, or use another directory with --state)", d.Path)
	}
	defer release()
	for _, name := range []string{"cache", "store/dirs"} {
		if _, err := os.Lstat(d.join(name)); err == nil {
			discarded = true
		}
		if err := tree.RemoveAll(d.join(name)); err != nil {
			return discarded, err
		}
	}
	return discarded, os.WriteFile(mark.Path(), []byte(formatVersion), 0o600)
}

// isCurrent reports whether a file contains formatVersion.
func isCurrent(name string) bool {
	data, err := os.ReadFile(name)
	return err == nil && string(data) == formatVersion
}
