package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/moby/buildkit/util/disk"
	"github.com/opencontainers/go-digest"

	"slipway/solver/diskcache"
	"slipway/solver/hostmount"
	"slipway/solver/tree"
)

// Entry describes a part of the state directory that can be pruned, or a stored image.
type Entry struct {
	diskcache.Record
	// Shared is set if other cached results depend on this result.
	Shared bool
	mount  string // directory of the data, for a cache mount; "" for other entries
}

// PruneOptions selects what [Prune] removes. The zero value removes all entries.
type PruneOptions struct {
	// Limits in bytes, as in BuildKit. A prune removes nothing while the directory uses less than
	// KeepBytes. Above this size, it removes entries until the directory uses at most
	// MaxUsedBytes and at least MinFreeBytes of the disk are free. If all limits are 0, it
	// removes every selected entry.
	KeepBytes, MaxUsedBytes, MinFreeBytes int64

	KeepMounts  bool              // retains cache mounts, unless Kinds contains KindMount
	Unused      time.Duration     // selects entries that were not used for at least this time; 0 selects all
	Kinds       []string          // selects entries of these kinds; empty selects all
	Key         string            // selects entries whose key begins with this prefix
	Description string            // selects entries whose name contains this text
	Select      func(*Entry) bool // selects entries for which it returns true; nil selects all
	Wait        time.Duration     // how long the prune waits for running builds; 0 means until its context ends
	Log         io.Writer         // receives a message if the prune must wait; may be nil

	running bool // builds are running, see [Dir.pruneUnused]
}

// errBusy is the reason why a prune stops waiting for running builds after [PruneOptions.Wait].
var errBusy = errors.New("builds are running")

// matches reports whether the prune options select the entry e for removal. The parameter now is
// the current time, with which the time of the last use of e is compared.
func (opt *PruneOptions) matches(e *Entry, now time.Time) bool {
	named := slices.Contains(opt.Kinds, e.Kind)
	return (named || len(opt.Kinds) == 0 && !(opt.KeepMounts && e.Kind == KindMount)) && (opt.Unused == 0 || now.Sub(e.Used) >= opt.Unused) &&
		strings.HasPrefix(e.Key, opt.Key) && strings.Contains(e.Name, opt.Description) && (opt.Select == nil || opt.Select(e))
}

// unlimited reports whether the options set no limit. In this case, a prune removes every
// selected entry.
func (opt *PruneOptions) unlimited() bool {
	return opt.KeepBytes == 0 && opt.MaxUsedBytes == 0 && opt.MinFreeBytes == 0
}

// keepBytes returns the number of bytes to which a prune reduces the state directory, according
// to the limits in the options. The parameter used is the current size of the directory, and
// free is the free space on the disk, both in bytes.
func (opt *PruneOptions) keepBytes(used, free int64) int64 {
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

// Entries returns the entries of the state directory in the order in which a prune
// removes them: by kind, then by last use, oldest first. A result comes after the results
// that depend on it. Stored images, which a prune never removes, come last.
func Entries(ctx context.Context, dir string, now func() time.Time) ([]Entry, error) {
	d, err := Open(dir, now)
	if err != nil {
		return nil, err
	}
	if !d.isCurrent() && d.hasResults() {
		return nil, fmt.Errorf("state directory: the cached results in %s are of another version of slipway (the next build or prune removes them)", d.Path)
	}
	c, err := d.contents(ctx)
	if err != nil {
		return nil, err
	}
	own := c.usage.Own(c.records)
	var list []Entry
	for {
		e := c.next(false, func(*Entry) bool { return true })
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

// contents holds the entries of a state directory during a prune, without the entries that the
// prune has removed.
type contents struct {
	records []diskcache.Record
	entries []*Entry // sorted, without regard to dependencies between results
	usage   *diskcache.Usage
	total   int64   // size of all entries in bytes
	images  []Entry // stored images, which no prune removes
}

func (d *Dir) contents(ctx context.Context) (*contents, error) {
	records, err := d.Cache.Records(ctx)
	if err != nil {
		return nil, err
	}
	c := &contents{records: records}
	if c.usage, err = d.Cache.Usage(ctx, records); err != nil {
		return nil, err
	}
	if c.images, err = d.holdImages(c.usage); err != nil {
		return nil, err
	}
	mounts, err := (&hostmount.Mounts{Dir: d.Mounts(), Store: d.Store}).Caches(ctx)
	if err != nil {
		return nil, err
	}
	internal, err := d.internal(ctx, c.usage), ctx.Err()
	if err != nil {
		return nil, err
	}
	c.entries = append(c.entries, internal)
	for _, r := range records {
		c.entries = append(c.entries, &Entry{Record: r, Shared: c.usage.Shared(r)})
	}
	for _, m := range mounts {
		c.entries = append(c.entries, &Entry{mount: m.Dir, Record: diskcache.Record{
			Key: filepath.Base(m.Dir), Kind: KindMount, Name: "cache mount " + m.ID, Bytes: m.Bytes, Used: m.Used,
		}})
	}
	slices.SortStableFunc(c.entries, func(a, b *Entry) int {
		if d := slices.Index(kinds(), a.Kind) - slices.Index(kinds(), b.Kind); d != 0 {
			return d
		}
		return a.Used.Compare(b.Used)
	})
	c.total, _ = c.usage.Bytes()
	for _, e := range c.entries {
		c.total += e.Bytes // zero for results, which are part of the usage
	}
	return c, nil
}

// internal returns a single entry for all data that belongs to no other entry: layers derived
// from results, and blobs to which neither the cache nor an image refers.
func (d *Dir) internal(ctx context.Context, u *diskcache.Usage) *Entry {
	e := &Entry{Record: diskcache.Record{
		Key: KindInternal, Kind: KindInternal, Name: "layers for runners and outputs, manifests",
	}}
	_, e.Bytes = u.Bytes()
	e.Bytes -= u.InLayers()
	for _, dir := range d.derived() {
		e.Bytes += tree.DiskSize(ctx, dir)
		if info, err := os.Stat(dir); err == nil && info.ModTime().After(e.Used) {
			e.Used = info.ModTime()
		}
	}
	return e
}

// derived returns the subdirectories of the state directory whose data can be created again
// from other entries or received again: the records of exported layers, the layers that a runner
// has unpacked, and the local sources of clients.
func (d *Dir) derived() []string {
	return []string{d.join("layers"), d.Namespace(), ReceivedDirs(d.Path)}
}

// next returns the entry that a prune should delete next, and removes it from c. It considers
// only entries that the callback want accepts. Entries on which no other result depends come
// first, because deleting a shared result frees no space. If only shared entries are left, next
// returns the first of them, or nil if unsharedOnly is true.
func (c *contents) next(unsharedOnly bool, want func(*Entry) bool) *Entry {
	best := -1
	for i, e := range c.entries {
		if !want(e) {
			continue
		}
		if e.mount != "" || e.Kind == KindInternal || !c.usage.Shared(e.Record) {
			best = i
			break
		}
		if best < 0 && !unsharedOnly {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	e := c.entries[best]
	c.entries = slices.Delete(c.entries, best, best+1)
	if e.mount == "" && e.Kind != KindInternal {
		e.Bytes = c.usage.Drop(e.Record)
	}
	c.total -= e.Bytes
	return e
}

// Prune removes the entries that the options select, in the order of [Entries], and
// returns the removed entries. It first waits until no build is running, or ctx ends. If it
// has waited for opt.Wait, it removes only entries that no running build has used, so that a prune
// within a build ends. The next garbage collection then frees the space of the removed results.
func Prune(ctx context.Context, dir string, now func() time.Time, opt PruneOptions) ([]Entry, error) {
	d, err := Open(dir, now)
	if err != nil {
		return nil, err
	}
	lock := flock.New(d.join("lock"))
	exclusive, err := lock.TryLock()
	if err == nil && !exclusive {
		if opt.Log != nil {
			fmt.Fprintln(opt.Log, "waiting for builds that use", dir)
		}
		err = opt.waitFor(ctx, lock)
	}
	if errors.Is(err, errBusy) {
		return d.pruneUnused(ctx, lock, opt)
	}
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	defer func() { _ = lock.Unlock() }()
	discarded, err := d.discardOther()
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if discarded && opt.Log != nil {
		fmt.Fprintln(opt.Log, "the cached results of another version of slipway were removed")
	}
	left := d.reclaim()
	removed, usage, err := d.prune(ctx, opt)
	if usage != nil {
		err = errors.Join(err, d.sweep(ctx, usage))
	}
	return removed, errors.Join(left, err)
}

// waitFor acquires a lock exclusively. It waits for opt.Wait at most.
func (opt *PruneOptions) waitFor(ctx context.Context, lock *flock.Flock) error {
	if opt.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, opt.Wait, errBusy)
		defer cancel()
	}
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	return nil
}

// pruneUnused removes the entries that the options select and that were last used before the oldest
// running build has started. It does not remove blobs and directories from the store, because
// running builds may refer to them. Instead, it makes the next garbage collection due.
func (d *Dir) pruneUnused(ctx context.Context, lock *flock.Flock, opt PruneOptions) ([]Entry, error) {
	release, err := share(ctx, lock)
	if err != nil {
		return nil, err
	}
	defer release()
	if !d.isCurrent() {
		return nil, nil // running builds are of another version
	}
	since, err := d.runningSince()
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	want := opt.Select
	opt.running, opt.Select = true, func(e *Entry) bool {
		return e.Kind != KindInternal && e.Used.Before(since) && (want == nil || want(e))
	}
	removed, _, err := d.prune(ctx, opt)
	if len(removed) > 0 {
		err = errors.Join(err, d.noteGC(sweepMark()))
	}
	return removed, err
}

// prune removes the entries that any of the rules selects. It applies the rules in order,
// each with its own limits. It returns the removed entries and the remaining usage, or a
// nil usage if the usage is unknown after an error. If a cache mount cannot be removed,
// prune continues with other entries. The caller must hold the lock, exclusively unless rules is the
// one of [Dir.pruneUnused].
func (d *Dir) prune(ctx context.Context, rules ...PruneOptions) (removed []Entry, usage *diskcache.Usage, err error) {
	c, err := d.contents(ctx)
	if err != nil {
		return nil, nil, err
	}
	free, err := disk.GetDiskStat(d.Path)
	if err != nil {
		return nil, nil, err
	}
	before := c.total
	for _, r := range rules {
		keep := r.keepBytes(c.total, free.Free+before-c.total)
		for r.unlimited() || c.total > keep {
			e := c.next(!r.unlimited(), func(e *Entry) bool { return r.matches(e, d.now()) })
			if e == nil {
				break
			}
			if ctx.Err() != nil {
				return removed, nil, context.Cause(ctx)
			}
			failed := d.remove(e, c.usage, r.running)
			if errors.Is(failed, hostmount.ErrInUse) {
				c.total += e.Bytes
				continue
			}
			if failed != nil {
				if err = errors.Join(err, failed); e.mount == "" && e.Kind != KindInternal {
					return removed, nil, err // the record may still refer to blobs
				}
				c.total += e.Bytes
			} else if e.Bytes > 0 {
				removed = append(removed, *e)
			}
		}
	}
	return removed, c.usage, err
}

// remove deletes the data of an entry, except for data to which the remaining entries refer.
// The parameter u contains their references. If builds are running and one of them uses the entry, a
// cache mount, remove returns [hostmount.ErrInUse].
func (d *Dir) remove(e *Entry, u *diskcache.Usage, running bool) error {
	switch {
	case e.mount != "" && running:
		return (&hostmount.Mounts{Dir: d.Mounts()}).Remove(e.mount)
	case e.mount != "":
		return discard(e.mount)
	case e.Kind == KindInternal:
		blobs, _ := u.Live()
		if err := errors.Join(discard(d.join("layers")), discard(ReceivedDirs(d.Path))); err != nil {
			return err
		}
		return d.discardLayers(func(b digest.Digest) bool { return blobs[b] })
	}
	return d.Cache.Remove(e.Record)
}

// removalSuffix is the suffix of the names of directories that are being removed.
const removalSuffix = ".gone"
