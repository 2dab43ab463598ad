package solver

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/moby/buildkit/solver/pb"
)

// lockCaches locks the cache mounts, each once. All processes lock caches in the same
// order: two processes that mount two locked caches in opposite orders would wait
// for each other forever.
//
// Upstream: all mounts of a cache in one process have the directory that the first of
// them got, whatever their sharing says.
func (x *execRun) lockCaches(ctx context.Context) error {
	var mounts []*pb.Mount
	for _, m := range x.op.Mounts {
		if m.MountType == pb.MountType_CACHE {
			mounts = append(mounts, m)
		}
	}
	if len(mounts) > 0 && x.job.opt.Mounts == nil {
		return fmt.Errorf("mount %s: cache mounts are not available", mounts[0].Dest)
	}
	slices.SortStableFunc(mounts, func(a, b *pb.Mount) int { return cmp.Compare(x.cacheName(a), x.cacheName(b)) })
	for _, m := range mounts {
		name := x.cacheName(m)
		if _, ok := x.caches[name]; ok {
			continue
		}
		dir, release, err := x.job.opt.Mounts.Cache(ctx, m.GetCacheOpt().GetID(), m.GetCacheOpt().GetSharing(), x.base(m))
		if err != nil {
			return fmt.Errorf("mount %s: %w", m.Dest, err)
		}
		x.releases = append(x.releases, release)
		x.caches[name] = dir
	}
	return nil
}

func (x *execRun) cacheName(m *pb.Mount) string {
	return x.job.opt.Mounts.CacheName(m.GetCacheOpt().GetID(), x.base(m))
}
