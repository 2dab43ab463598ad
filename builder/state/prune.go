package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/moby/buildkit/util/disk"

	"slipway/solver/diskcache"
	"slipway/solver/export"
	"slipway/solver/tree"
)

// lockPoll is the interval in which a prune checks if builds have ended.
const lockPoll = 50 * time.Millisecond

// hold locks the state directory for a build, until release is called or this process
// ends. Builds share the lock; a prune holds it exclusively. A build that is alone removes
// what killed builds left.
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

// CacheEntry is an entry of the state directory that can be pruned.
type CacheEntry struct {
	diskcache.Record
	// Shared is set if other results were made from it.
	Shared bool
	mount  string // directory of a cache mount; "" for others
}

// PruneOptions selects what [Prune] removes. The zero value removes all entries.
type PruneOptions struct {
	// Limits, with the meaning that they have for BuildKit: nothing is removed
	// while less than KeepBytes are used. Otherwise entries are removed until no
	// more than MaxUsedBytes are used, and MinFreeBytes of the disk are free. If all
	// are 0, every entry is removed.
	KeepBytes, MaxUsedBytes, MinFreeBytes int64

	KeepMounts  bool          // cache mounts stay, unless Kinds names them
	Unused      time.Duration // only what was not used for so long; 0 is anything
	Kinds       []string      // only entries of these kinds; none is any
	Key         string        // only entries whose key begins so
	Description string        // only entries whose name has this text
	Log         io.Writer     // is told what a prune waits for; nil is fine
}

// The kinds of entries besides those of package solver.
const (
	kindMount    = "exec.cachemount"
	kindImage    = "image"    // stored images with what only they hold; slipway image rm removes them
	kindInternal = "internal" // layers as runners and outputs have them, and what nothing refers to
)

// kinds lists the kinds of entries, beginning with the one that is cheapest to restore:
// layers are made from other entries, local files are read again, images are fetched,
// results are built, and the content of cache mounts accumulated over many builds.
func kinds() []string {
	return []string{kindInternal, diskcache.KindLocal, diskcache.KindSource, diskcache.KindResult, kindMount}
}

// ParseKind checks the name of a kind of entries.
func ParseKind(name string) (string, error) {
	if !slices.Contains(kinds(), name) {
		return "", fmt.Errorf("unknown type %q, there are %s", name, strings.Join(kinds(), ", "))
	}
	return name, nil
}

// wants reports whether the options select an entry for removal.
func (opt *PruneOptions) wants(e *CacheEntry, now time.Time) bool {
	named := slices.Contains(opt.Kinds, e.Kind)
	return (named || len(opt.Kinds) == 0 && !(opt.KeepMounts && e.Kind == kindMount)) && (opt.Unused == 0 || now.Sub(e.Used) >= opt.Unused) &&
		strings.HasPrefix(e.Key, opt.Key) && strings.Contains(e.Name, opt.Description)
}

// unlimited reports whether every entry is removed.
func (opt *PruneOptions) unlimited() bool {
	return opt.KeepBytes == 0 && opt.MaxUsedBytes == 0 && opt.MinFreeBytes == 0
}

// keep returns how many of the used bytes may stay, given the number of free bytes on the
// disk.
func (opt *PruneOptions) keep(used, free int64) int64 {
	keep := used
	switch {
	case opt.MaxUsedBytes > 0:
		keep = opt.MaxUsedBytes
	case opt.MinFreeBytes == 0:
		keep = 0
	}
	if lack := opt.MinFreeBytes - free; lack > 0 {
		keep = min(keep, used-lack)
	}
	return max(keep, opt.KeepBytes)
}

// CacheEntries returns the entries of the state directory in the order in which a prune
// removes them: by kind, and then the least recently used first, but never a result before
// the results that were made from it. Stored images, which a prune never removes, come
// last.
func CacheEntries(ctx context.Context, dir string, now func() time.Time) ([]CacheEntry, error) {
	s, err := openState(&Options{State: dir, Now: now})
	if err != nil {
		return nil, err
	}
	c, err := s.contents(ctx)
	if err != nil {
		return nil, err
	}
	own := c.usage.Own(c.records)
	var list []CacheEntry
	for {
		e := c.next(false, func(*CacheEntry) bool { return true })
		if e == nil {
			return append(list, c.images...), nil
		}
		if n, ok := own[e.Key]; ok {
			e.Bytes = n
		}
		if e.Bytes > 0 {
			list = append(list, *e)
		}
	}
}

// contents is the list of entries that a prune removes from the front.
type contents struct {
	records []diskcache.Record
	entries []*CacheEntry // in order, but for results that others were made from
	usage   *diskcache.Usage
	total   int64        // bytes of all
	images  []CacheEntry // stored images, which no prune removes
}

func (s *state) contents(ctx context.Context) (*contents, error) {
	records, err := s.cache.Records(ctx)
	if err != nil {
		return nil, err
	}
	c := &contents{records: records}
	if c.usage, err = s.cache.Usage(ctx, records); err != nil {
		return nil, err
	}
	if c.images, err = s.held(c.usage); err != nil {
		return nil, err
	}
	mounts, err := s.mounts(&Options{}).Caches(ctx)
	if err != nil {
		return nil, err
	}
	internal, err := s.internal(ctx, c.usage), ctx.Err()
	if err != nil {
		return nil, err
	}
	c.entries = append(c.entries, internal)
	for _, r := range records {
		c.entries = append(c.entries, &CacheEntry{Record: r, Shared: c.usage.Shared(r)})
	}
	for _, m := range mounts {
		c.entries = append(c.entries, &CacheEntry{mount: m.Dir, Record: diskcache.Record{
			Key: filepath.Base(m.Dir), Kind: kindMount, Name: "cache mount " + m.ID, Bytes: m.Bytes, Used: m.Used,
		}})
	}
	slices.SortStableFunc(c.entries, func(a, b *CacheEntry) int {
		if d := slices.Index(kinds(), a.Kind) - slices.Index(kinds(), b.Kind); d != 0 {
			return d
		}
		return a.Used.Compare(b.Used)
	})
	c.total, _ = c.usage.Bytes()
	for _, e := range c.entries {
		c.total += e.Bytes // of results not known yet
	}
	return c, nil
}

// internal returns entries that can be restored from other entries.
func (s *state) internal(ctx context.Context, u *diskcache.Usage) *CacheEntry {
	e := &CacheEntry{Record: diskcache.Record{
		Key: kindInternal, Kind: kindInternal, Name: "layers for runners and outputs, manifests",
	}}
	_, e.Bytes = u.Bytes()
	for _, dir := range s.derived() {
		e.Bytes += tree.DiskSize(ctx, dir)
		if info, err := os.Stat(dir); err == nil && info.ModTime().After(e.Used) {
			e.Used = info.ModTime()
		}
	}
	return e
}

// derived returns the directories of layers that outputs and runners use.
func (s *state) derived() []string {
	return []string{filepath.Join(s.dir, "layers"), filepath.Join(s.dir, "namespace")}
}

// next takes the first selected entry from which no result was made, because removing a
// result that others share frees nothing. Without such an entry, it takes the first selected
// entry, unless leaves is set. It returns nil if no entry is left.
func (c *contents) next(leaves bool, want func(*CacheEntry) bool) *CacheEntry {
	best := -1
	for i, e := range c.entries {
		if !want(e) {
			continue
		}
		if e.mount != "" || e.Kind == kindInternal || !c.usage.Shared(e.Record) {
			best = i
			break
		}
		if best < 0 && !leaves {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	e := c.entries[best]
	c.entries = slices.Delete(c.entries, best, best+1)
	if e.mount == "" && e.Kind != kindInternal {
		e.Bytes = c.usage.Drop(e.Record)
	}
	c.total -= e.Bytes
	return e
}

// Prune removes the entries that the options select, in the order of [CacheEntries], and
// returns them. It waits until no build is running.
func Prune(ctx context.Context, dir string, now func() time.Time, opt PruneOptions) ([]CacheEntry, error) {
	s, err := openState(&Options{State: dir, Now: now})
	if err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(s.dir, "lock"))
	alone, err := lock.TryLock()
	if err == nil && !alone {
		if opt.Log != nil {
			fmt.Fprintln(opt.Log, "waiting for builds that use", dir)
		}
		_, err = lock.TryLockContext(ctx, lockPoll)
	}
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	defer func() { _ = lock.Unlock() }()
	left := s.reclaim()
	gone, usage, err := s.prune(ctx, now, opt)
	if usage != nil {
		err = errors.Join(err, s.sweep(ctx, usage))
	}
	return gone, errors.Join(left, err)
}

// prune removes entries by one rule after the other, and returns them and what is
// used without them, nil if that is unknown. If a cache mount cannot be removed, the
// other entries are. The state directory must be locked.
func (s *state) prune(ctx context.Context, now func() time.Time, rules ...PruneOptions) (gone []CacheEntry, usage *diskcache.Usage, err error) {
	c, err := s.contents(ctx)
	if err != nil {
		return nil, nil, err
	}
	d, err := disk.GetDiskStat(s.dir)
	if err != nil {
		return nil, nil, err
	}
	before := c.total
	for _, r := range rules {
		keep := r.keep(c.total, d.Free+before-c.total)
		for r.unlimited() || c.total > keep {
			e := c.next(!r.unlimited(), func(e *CacheEntry) bool { return r.wants(e, now()) })
			if e == nil {
				break
			}
			if ctx.Err() != nil {
				return gone, nil, context.Cause(ctx)
			}
			if failed := s.remove(e); failed != nil {
				if err = errors.Join(err, failed); e.mount == "" && e.Kind != kindInternal {
					return gone, nil, err // the record may still refer to blobs
				}
				c.total += e.Bytes
			} else if e.Bytes > 0 {
				gone = append(gone, *e)
			}
		}
	}
	return gone, c.usage, err
}

func (s *state) remove(e *CacheEntry) error {
	var err error
	switch {
	case e.mount != "":
		return discard(e.mount)
	case e.Kind == kindInternal:
		for _, dir := range s.derived() {
			err = errors.Join(err, discard(dir))
		}
		return err
	}
	return s.cache.Remove(e.Record)
}

// discarded is the suffix of the names of directories that are being removed.
const discarded = ".gone"

// discard renames a directory and then removes it, so that a process that is killed
// meanwhile does not leave a part of it under its name.
func discard(dir string) error {
	gone := dir + discarded
	err := os.Rename(dir, gone)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, tree.RemoveAll(gone))
}

// sweep removes blobs and directories to which no result, no layer of an output and no
// stored image refers.
func (s *state) sweep(ctx context.Context, u *diskcache.Usage) error {
	blobs, dirs := u.Live()
	layers, err := (&export.Layers{Dir: filepath.Join(s.dir, "layers")}).Blobs()
	if err != nil {
		return err
	}
	maps.Copy(blobs, layers)
	if err := s.files.Keep(func(b tree.Blob) bool { return blobs[b.Digest] }); err != nil {
		return err
	}
	return errors.Join(s.store.Sweep(ctx, blobs, dirs), s.cache.Sweep(ctx))
}

// reclaim removes temporary files of killed builds. No build may run at the same time.
func (s *state) reclaim() error {
	errs := []error{s.store.Clean(), s.cache.Clean(), s.outputs().Reclaim()}
	left := []string{filepath.Join(s.dir, "temp"), filepath.Join(s.dir, "namespace", "run")}
	for _, dir := range []string{"", "layers", "explain", "images"} {
		left = append(left, export.Unfinished(filepath.Join(s.dir, dir))...)
	}
	for _, pattern := range []string{"mounts/*/new-*", "mounts/*" + discarded, "*" + discarded} {
		found, err := fs.Glob(os.DirFS(s.dir), pattern)
		for _, name := range found {
			left = append(left, filepath.Join(s.dir, name))
		}
		errs = append(errs, err)
	}
	for _, name := range left {
		errs = append(errs, tree.RemoveAll(name))
	}
	return errors.Join(errs...)
}

// outputs returns the writer of outputs outside the state directory.
func (s *state) outputs() export.Outputs {
	return export.Outputs{Notes: filepath.Join(s.dir, "outputs")}
}
