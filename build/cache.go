package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"slipway/solver"
	"slipway/solver/export"
	"slipway/solver/tree"
)

// lockPoll is how often a prune looks whether builds have ended.
const lockPoll = 50 * time.Millisecond

// hold marks the state directory as in use by a build, until release is called
// or this process ends. Builds hold it together; a prune has it alone. A build
// that is alone removes what others left that were killed.
func (s *state) hold(ctx context.Context) (release func(), err error) {
	lock := flock.New(filepath.Join(s.dir, "lock"))
	if alone, err := lock.TryLock(); err == nil && alone {
		_ = s.reclaim() // what stays does no harm, and a prune reports it
		_ = lock.Unlock()
	}
	if _, err := lock.TryRLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil
}

// CacheEntry is something that the state directory keeps.
type CacheEntry struct {
	solver.CacheRecord
	Mount string // directory of a cache mount; "" for results
}

// PruneOptions say what [Prune] removes. The zero value removes all.
type PruneOptions struct {
	KeepBytes int64         // how much may stay; 0 is nothing
	Unused    time.Duration // only what was not used for so long; 0 is anything
	Kinds     []string      // only entries of these kinds; none is any
}

// CacheEntries returns what the state directory keeps, in the order in which a
// prune takes it: first what is cheapest to have again.
func CacheEntries(ctx context.Context, dir string, now func() time.Time) ([]CacheEntry, error) {
	s, err := openState(&Options{State: dir, Now: now})
	if err != nil {
		return nil, err
	}
	return s.entries(ctx)
}

func (s *state) entries(ctx context.Context) ([]CacheEntry, error) {
	records, err := s.cache.Records(ctx)
	if err != nil {
		return nil, err
	}
	var list []CacheEntry
	for _, r := range records {
		list = append(list, CacheEntry{CacheRecord: r})
	}
	mounts, err := s.mountEntries()
	if err != nil {
		return nil, err
	}
	list = append(list, mounts...)
	slices.SortStableFunc(list, func(a, b CacheEntry) int {
		if d := price(a.Kind) - price(b.Kind); d != 0 {
			return d
		}
		return a.Used.Compare(b.Used)
	})
	return list, nil
}

// price orders kinds by what it costs to have them again: local files are still
// there, images can be fetched, results have to be worked out, and what caches
// hold came together over many builds.
func price(kind string) int {
	return slices.Index([]string{solver.KindLocal, solver.KindSource, solver.KindResult, kindMount}, kind)
}

// kindMount is the kind of cache mounts.
const kindMount = "exec.cachemount"

func (s *state) mountEntries() ([]CacheEntry, error) {
	dirs, err := os.ReadDir(filepath.Join(s.dir, "mounts"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []CacheEntry
	for _, d := range dirs {
		e := CacheEntry{Mount: filepath.Join(s.dir, "mounts", d.Name())}
		e.Key, e.Kind, e.Name = d.Name(), kindMount, "cache mount"
		walkErr := filepath.WalkDir(e.Mount, func(_ string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Mode().IsRegular() {
				e.Bytes += info.Size()
			}
			if err == nil && info.ModTime().After(e.Used) {
				e.Used = info.ModTime()
			}
			return err
		})
		err = errors.Join(err, walkErr)
		list = append(list, e)
	}
	return list, err
}

// Prune removes what the options say, the cheapest first, and returns it. It
// waits for builds to end, so that it takes nothing that one of them uses.
func Prune(ctx context.Context, dir string, now func() time.Time, opt PruneOptions) ([]CacheEntry, error) {
	s, err := openState(&Options{State: dir, Now: now})
	if err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(s.dir, "lock"))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	defer func() { _ = lock.Unlock() }()
	entries, err := s.entries(ctx)
	if err != nil {
		return nil, err
	}
	var total int64
	for _, e := range entries {
		total += e.Bytes
	}
	var gone []CacheEntry
	for _, e := range entries {
		if opt.KeepBytes > 0 && total <= opt.KeepBytes {
			break
		}
		if len(opt.Kinds) > 0 && !slices.Contains(opt.Kinds, e.Kind) || now().Sub(e.Used) < opt.Unused {
			continue
		}
		if err := s.remove(e); err != nil {
			return gone, err
		}
		total -= e.Bytes
		gone = append(gone, e)
	}
	return gone, s.sweep(ctx)
}

func (s *state) remove(e CacheEntry) error {
	if e.Mount != "" {
		return tree.RemoveAll(e.Mount)
	}
	return s.cache.Remove(e.CacheRecord)
}

// sweep removes what no result refers to any more: blobs, directories, layers as
// runners and exporters have them, and what killed builds left.
func (s *state) sweep(ctx context.Context) error {
	live, err := s.cache.Live(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(s.store.Sweep(ctx, live.Blobs, live.Dirs), s.cache.Sweep(ctx), s.reclaim())
	for _, dir := range []string{"layers", "namespace"} {
		err = errors.Join(err, tree.RemoveAll(filepath.Join(s.dir, dir)))
	}
	return err
}

// reclaim removes what builds left half-made that were killed. It must not run
// beside a build.
func (s *state) reclaim() error {
	errs := []error{s.store.Clean(), s.cache.Clean(), s.outputs().Reclaim()}
	left := []string{filepath.Join(s.dir, "temp"), filepath.Join(s.dir, "namespace", "run")}
	for _, dir := range []string{"", "layers", "explain"} {
		left = append(left, export.Unfinished(filepath.Join(s.dir, dir))...)
	}
	mounts, err := filepath.Glob(filepath.Join(s.dir, "mounts", "*", "new-*"))
	for _, name := range append(left, mounts...) {
		err = errors.Join(err, tree.RemoveAll(name))
	}
	return errors.Join(append(errs, err)...)
}

// outputs writes results outside the state directory.
func (s *state) outputs() export.Outputs {
	return export.Outputs{Notes: filepath.Join(s.dir, "outputs")}
}

// ParseKind checks the name of a kind of entries.
func ParseKind(name string) (string, error) {
	kinds := []string{solver.KindLocal, solver.KindSource, solver.KindResult, kindMount}
	if !slices.Contains(kinds, name) {
		return "", fmt.Errorf("unknown type %q, there are %s", name, strings.Join(kinds, ", "))
	}
	return name, nil
}
