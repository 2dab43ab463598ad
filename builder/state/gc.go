package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"slipway/solver/diskcache"

	"github.com/docker/go-units"
	"github.com/gofrs/flock"
	"github.com/moby/buildkit/util/disk"
)

// GC configures what [Build] removes from the state directory afterwards. The zero
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
	cheap := PruneOptions{Kinds: []string{kindInternal, diskcache.KindLocal, kindMount}, Unused: gcCheapUnused, MaxUsedBytes: gcCheapMax}
	old := limits
	old.Unused = gcOld
	return []PruneOptions{cheap, old, limits}
}

// collect applies the policy, unless another build is running or the default policy was
// applied less than gcInterval ago. Its errors do not fail the build.
func (gc GC) collect(ctx context.Context, o *Options) {
	if gc.Off || ctx.Err() != nil {
		return
	}
	err := gc.tryCollect(ctx, o)
	// Entries of another user namespace are left for a prune.
	if err != nil && !errors.Is(err, fs.ErrPermission) && ctx.Err() == nil {
		o.warn("state directory: garbage collection: %v", err)
	}
}

func (gc GC) tryCollect(ctx context.Context, o *Options) error {
	// It is opened again, because other builds have changed it since.
	s, err := openState(o)
	if err != nil {
		return err
	}
	if gc.Keep == nil {
		due, err := s.gcDue(o.Now())
		if err != nil || !due {
			return err
		}
	}
	lock := flock.New(filepath.Join(s.dir, "lock"))
	if alone, err := lock.TryLock(); err != nil || !alone {
		return err // the build that ends last collects
	}
	defer func() { _ = lock.Unlock() }()
	d, err := disk.GetDiskStat(s.dir)
	if err != nil {
		return err
	}
	gone, usage, err := s.prune(ctx, o.Now, gc.rules(d)...)
	if len(gone) > 0 && usage != nil {
		err = errors.Join(err, s.sweep(ctx, usage))
	}
	return errors.Join(err, s.noteGC(o.Now()))
}

// gcNote is the file whose modification time is the last application of the default policy.
func (s *state) gcNote() string { return filepath.Join(s.dir, "gc") }

// gcDue reports whether the default policy is to be applied. A new state directory
// holds little.
func (s *state) gcDue(now time.Time) (bool, error) {
	info, err := os.Stat(s.gcNote())
	if errors.Is(err, fs.ErrNotExist) {
		return false, s.noteGC(now)
	}
	if err != nil {
		return false, err
	}
	since := now.Sub(info.ModTime())
	return since >= gcInterval || since < 0, nil
}

func (s *state) noteGC(now time.Time) error {
	if err := os.WriteFile(s.gcNote(), nil, 0o600); err != nil {
		return err
	}
	return os.Chtimes(s.gcNote(), now, now)
}
