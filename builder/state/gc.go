package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/buildkit/util/disk"

	"slipway/solver/diskcache"
)

// GC configures garbage collection of the state directory after a build. The zero value is
// BuildKit's default policy.
type GC struct {
	// Off disables garbage collection.
	Off bool
	// Keep is the maximum space that the state directory may use after a garbage collection. If
	// it is nil, the default policy applies.
	Keep *DiskSpace
}

// DiskSpace is an amount of disk space: Percent of the disk's size, or Bytes if Percent is
// zero.
type DiskSpace struct{ Bytes, Percent int64 }

// ParseGC parses the space that the state directory may use: an amount such as 20GB, a
// share of the disk such as 10%, or unlimited. The empty string means the default policy.
func ParseGC(value string) (GC, error) {
	if value == "" {
		return GC{}, nil
	}
	if value == "unlimited" {
		return GC{Off: true}, nil
	}
	if share, ok := strings.CutSuffix(value, "%"); ok {
		n, err := strconv.ParseInt(share, 10, 64)
		if err != nil || n < 1 || n > 100 {
			return GC{}, fmt.Errorf("%q is not a share of the disk (use 1%% to 100%%)", value)
		}
		return GC{Keep: &DiskSpace{Percent: n}}, nil
	}
	n, err := units.FromHumanSize(value)
	if err != nil {
		return GC{}, fmt.Errorf("%q is not an amount of disk space (use 20GB, 10%% or unlimited)", value)
	}
	if n < 0 || n == math.MaxInt64 { // the result of an overflow depends on the processor
		return GC{}, fmt.Errorf("%q is too large (use 20GB, 10%% or unlimited)", value)
	}
	return GC{Keep: &DiskSpace{Bytes: n}}, nil
}

// bytes converts the amount to bytes. The parameter total is the size of the disk in bytes.
func (d DiskSpace) bytes(total int64) int64 {
	if d.Percent > 0 {
		return total / 100 * d.Percent
	}
	return d.Bytes
}

// gcInterval is the minimum time between two garbage collections by the default policy. A
// collection reads the whole state directory, which takes longer than a fully cached
// build.
const gcInterval = 10 * time.Minute

// Limits of the default policy, as in buildkitd. The constants of the first group apply to the
// whole cache. The constants of the second group apply only to entries that are cheap to
// recreate, and to entries that have not been used for a long time.
const (
	gcReserved, gcReservedPercent = 10e9, 10
	gcMaxUsed, gcMaxUsedPercent   = 100e9, 80
	gcMinFreePercent              = 20
	gcUnknownDisk                 = 20e9 // assumed size of a disk of unknown size; buildkitd then reserves 2 GB

	gcCheapMax    = 512e6
	gcCheapUnused = 48 * time.Hour
	gcOld         = 60 * 24 * time.Hour
)

// rules returns the options for the three prunes of a garbage collection, as in buildkitd. The
// parameter d describes the disk. The first prune removes entries that are cheap to recreate
// and were not used for two days. The second removes entries that were not used for 60 days.
// The third removes entries regardless of their last use. Each prune stops when the state
// directory uses less space than the limit of the prune.
func (gc GC) rules(d disk.DiskStat) []PruneOptions {
	d.Total = cmp.Or(d.Total, gcUnknownDisk)
	limits := PruneOptions{
		KeepBytes:    min(gcReserved, d.Total/100*gcReservedPercent),
		MaxUsedBytes: min(gcMaxUsed, d.Total/100*gcMaxUsedPercent),
		MinFreeBytes: d.Total / 100 * gcMinFreePercent,
	}
	if gc.Keep != nil {
		limits = PruneOptions{KeepBytes: gc.Keep.bytes(d.Total)}
	}
	cheap := PruneOptions{Kinds: []string{KindInternal, diskcache.KindLocal, KindMount}, Unused: gcCheapUnused, MaxUsedBytes: gcCheapMax}
	old := limits
	old.Unused = gcOld
	return []PruneOptions{cheap, old, limits}
}

// Collect applies the garbage collection policy gc to the state directory dir. If a build
// is running, it does nothing. It applies the default policy only if the last garbage
// collection was at least ten minutes ago. It opens the directory itself, because other
// builds may have changed it since the caller opened it.
func (gc GC) Collect(ctx context.Context, dir string, now func() time.Time) error {
	if gc.Off || ctx.Err() != nil {
		return nil
	}
	err := gc.tryCollect(ctx, dir, now)
	// An explicit prune reports entries that belong to another user namespace.
	if errors.Is(err, fs.ErrPermission) || ctx.Err() != nil {
		return nil
	}
	return err
}

func (gc GC) tryCollect(ctx context.Context, dir string, now func() time.Time) error {
	d, err := Open(dir, now)
	if err != nil {
		return err
	}
	if gc.Keep == nil {
		due, err := d.gcDue(now())
		if err != nil || !due {
			return err
		}
	}
	release, exclusive, err := d.TryExclusive()
	if err != nil || !exclusive {
		return err // the last build to end collects
	}
	defer release()
	if !d.isCurrent() {
		return nil // another version has replaced the cached results
	}
	space, err := disk.GetDiskStat(d.Path)
	if err != nil {
		return err
	}
	removed, usage, err := d.prune(ctx, gc.rules(space)...)
	if (len(removed) > 0 || d.sweepDue()) && usage != nil {
		err = errors.Join(err, d.sweep(ctx, usage))
	}
	return errors.Join(err, d.noteGC(now()))
}

// gcNote returns the path of a file whose modification time is the time of the last
// garbage collection.
func (d *Dir) gcNote() string { return d.join("gc") }

// gcDue reports whether the last garbage collection was at least gcInterval ago. For a new
// state directory, it returns false and records the current time, because a new directory
// contains nothing to collect.
func (d *Dir) gcDue(now time.Time) (bool, error) {
	info, err := os.Stat(d.gcNote())
	if errors.Is(err, fs.ErrNotExist) {
		return false, d.noteGC(now)
	}
	if err != nil {
		return false, err
	}
	since := now.Sub(info.ModTime())
	return since >= gcInterval || since < 0, nil
}

// sweepMark returns the time of a garbage collection that [Dir.pruneUnused] records. The next garbage
// collection is due at once and removes the data of the results that were pruned.
func sweepMark() time.Time { return time.Unix(0, 0) }

// sweepDue reports whether the time of the last garbage collection is [sweepMark].
func (d *Dir) sweepDue() bool {
	info, err := os.Stat(d.gcNote())
	return err == nil && info.ModTime().Equal(sweepMark())
}

func (d *Dir) noteGC(now time.Time) error {
	if err := os.WriteFile(d.gcNote(), nil, 0o600); err != nil {
		return err
	}
	return os.Chtimes(d.gcNote(), now, now)
}
