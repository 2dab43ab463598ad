package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/gofrs/flock"

	"slipway/internal/regularfile"
	"slipway/solver/tree"
)

// formatVersion is the version of the formats of cache records and stored directories. A
// change of one of these formats must increment it.
const formatVersion = "4\n"

// HoldForBuild locks the state directory for a build as [Dir.Hold] does. If a Slipway with a
// different format version wrote the cached results, HoldForBuild first removes them and
// returns discarded = true. If a build by such a Slipway is running, it returns an error.
func (d *Dir) HoldForBuild(ctx context.Context) (release func(), discarded bool, err error) {
	for {
		removed, err := d.makeCurrent()
		if discarded = discarded || removed; err != nil {
			return nil, discarded, fmt.Errorf("state directory: %w", err)
		}
		release, err := d.Hold(ctx)
		// Until Hold returned, another version could replace the results.
		if err != nil || d.isCurrent() {
			return release, discarded, err
		}
		release()
	}
}

// makeCurrent removes the cached results if a Slipway with a different format version wrote
// them. It reports whether it removed any results. If it would have to remove results while a
// build is running, makeCurrent removes nothing and returns an error.
func (d *Dir) makeCurrent() (removed bool, err error) {
	if d.isCurrent() {
		return false, nil
	}
	mark := flock.New(d.join("format"))
	if err := mark.Lock(); err != nil {
		return false, err
	}
	defer mark.Unlock() //nolint:errcheck // the lock ends with the process at the latest
	if d.isCurrent() {
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
	return d.discardOther()
}

// discardOther removes the cached results if a Slipway with a different format version wrote
// them. It reports whether it removed any results. Blobs, cache mounts and images remain,
// because their formats do not change. The caller must hold the exclusive lock.
func (d *Dir) discardOther() (removed bool, err error) {
	if d.isCurrent() {
		return false, nil
	}
	removed = d.hasResults()
	for _, name := range []string{"cache", "store/dirs"} {
		if err := tree.RemoveAll(d.join(name)); err != nil {
			return removed, err
		}
	}
	// Processes that have opened the directory expect these.
	if err := errors.Join(os.MkdirAll(d.join("cache/tmp"), 0o700), os.MkdirAll(d.join("store/dirs"), 0o700)); err != nil {
		return removed, err
	}
	return removed, os.WriteFile(d.join("format"), []byte(formatVersion), 0o600)
}

// isCurrent reports whether the state directory has this program's format version.
func (d *Dir) isCurrent() bool {
	data, err := regularfile.Read(d.join("format"))
	return err == nil && string(data) == formatVersion
}

// markNew records this program's format version in a state directory that has neither a format
// version nor cached results. Other processes never see an incomplete version, for which they
// would remove the results of this one.
func (d *Dir) markNew() error {
	if _, err := os.Lstat(d.join("format")); err == nil || d.hasResults() {
		return nil
	}
	f, err := os.CreateTemp(d.Path, ".slipway-format-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(formatVersion)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	err = os.Link(f.Name(), d.join("format"))
	// A faster process may also have removed the temporary file, see [Dir.Hold].
	if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return os.Rename(f.Name(), d.join("format")) // a file system without hard links
}

// hasResults reports whether the state directory contains cached results of any format
// version.
func (d *Dir) hasResults() bool {
	for _, name := range []string{"cache", "store/dirs"} {
		list, _ := os.ReadDir(d.join(name)) // nil if it does not exist
		if slices.ContainsFunc(list, func(e fs.DirEntry) bool { return e.Name() != "tmp" }) {
			return true
		}
	}
	return false
}

// removeIrregular checks the files of this program directly in the state directory dir. It
// removes those that are not regular, such as a FIFO, on which a build would block. For a
// directory with entries, which may belong to the user, it returns an error.
func removeIrregular(dir string) error {
	for _, name := range []string{"lock", "format", "files", "recent", "gc"} {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	return nil
}
