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

// GC configures what is removed from the state directory after a build. The zero
// value is BuildKit's default policy.
type GC struct {
	// Off removes nothing.
	Off bool
	// Keep is the space that may stay in use; nil is the default policy.
	Keep *DiskSpace
}

// DiskSpace is an amount of bytes, or a share of the disk.
type DiskSpace struct{ Bytes, Percent int64 }

// ParseGC parses the space that may stay in use: an amount such as 20GB, a share of the
// disk such as 10%, or unlimited. The empty string is the default policy.
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
	if n < 0 || n == math.MaxInt64 { // which one depends on the processor
		return GC{}, fmt.Errorf("%q is too large (use 20GB, 10%% or unlimited)", value)
	}
	return GC{Keep: &DiskSpace{Bytes: n}}, nil
}

// bytes returns the amount on a disk of that size.
func (d DiskSpace) bytes(total int64) int64 {
	if d.Percent > 0 {
		return total / 100 * d.Percent
	}
	return d.Bytes
}

// gcInterval is the interval in which the default policy is applied. To read the state
// directory takes longer than a build in which all steps are cached.
const gcInterval = 10 * time.Minute

// The defaults of buildkitd for its whole cache, and for entries that are cheap to
// restore.
const (
	gcReserved, gcReservedPercent = 10e9, 10
	gcMaxUsed, gcMaxUsedPercent   = 100e9, 80
	gcMinFreePercent              = 20
	gcUnknownDisk                 = 20e9 // of which buildkitd reserves 2 GB

	gcCheapMax    = 512e6
	gcCheapUnused = 48 * time.Hour
	gcOld         = 60 * 24 * time.Hour
)

// rules returns the options of three prunes. As with buildkitd, the first one removes
// entries that are cheap to restore and were not used for two days, the second one
// entries that were not used for 60 days, and the third one any entry. Each stops when the
// used space is below its limit.
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

// Collect applies the policy to a state directory, unless a build is running or the
// default policy was applied less than gcInterval ago. It opens the directory again,
// because other builds may have changed it.
func (gc GC) Collect(ctx context.Context, dir string, now func() time.Time) error {
	if gc.Off || ctx.Err() != nil {
		return nil
	}
	err := gc.tryCollect(ctx, dir, now)
	// Entries of another user namespace are left for a prune.
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
		return err // the build that ends last collects
	}
	defer release()
	space, err := disk.GetDiskStat(d.Path)
	if err != nil {
		return err
	}
	removed, usage, err := d.prune(ctx, gc.rules(space)...)
	if len(removed) > 0 && usage != nil {
		err = errors.Join(err, d.sweep(ctx, usage))
	}
	return errors.Join(err, d.noteGC(now()))
}

// gcNote is the file whose modification time is the last application of the default policy.
func (d *Dir) gcNote() string { return d.join("gc") }

// gcDue reports whether the default policy is to be applied. A new state directory
// holds little.
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

func (d *Dir) noteGC(now time.Time) error {
	if err := os.WriteFile(d.gcNote(), nil, 0o600); err != nil {
		return err
	}
	return os.Chtimes(d.gcNote(), now, now)
}
