package solver

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/cachemap"
	"slipway/solver/snapshot"
)

// CacheMount identifies a cache mount of a RUN step.
type CacheMount struct {
	Name string // see [Mounts.CacheName]
	ID   string // as in --mount=type=cache,id=ID
}

// CacheMounts returns the cache mounts of all RUN steps in the job, also of cached ones, sorted by name.
// It evaluates no step: if the initial files of a cache mount come from a step whose cache key is not
// known, the cache mount is left out.
func (j *Job) CacheMounts(ctx context.Context) []CacheMount {
	if j.opt.Mounts == nil {
		return nil
	}
	found := map[CacheMount]bool{}
	for _, t := range j.allTasks() {
		for _, m := range t.v.Op.GetExec().GetMounts() {
			if m.MountType != pb.MountType_CACHE {
				continue
			}
			id := m.GetCacheOpt().GetID()
			if from, ok := t.initial(ctx, m); ok {
				found[CacheMount{Name: j.opt.Mounts.CacheName(id, from), ID: id}] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b CacheMount) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
}

// SecretIDs returns the ids of the secrets of all RUN steps in the job, also of cached ones, sorted.
func (j *Job) SecretIDs() []string {
	found := map[string]bool{}
	for _, t := range j.allTasks() {
		exec := t.v.Op.GetExec()
		for _, m := range exec.GetMounts() {
			if m.MountType == pb.MountType_SECRET {
				found[m.GetSecretOpt().GetID()] = true
			}
		}
		for _, s := range exec.GetSecretenv() {
			found[s.GetID()] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// allTasks returns the tasks of the job in any order.
func (j *Job) allTasks() []*task {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Values(j.tasks))
}

// initial returns a snapshot without files whose ID is the ID of the snapshot from which the cache
// mount m starts. If m starts empty, the snapshot is nil. If the ID is not known before a step has
// run, ok is false.
func (t *task) initial(ctx context.Context, m *pb.Mount) (from *snapshot.Snapshot, ok bool) {
	i := cachemap.MountInput(m)
	if i < 0 {
		return nil, true
	}
	in := t.in[i]
	id, ok := in.task.peekID(ctx)
	return snapshot.New(nil, nil).WithID(in.id(id)), ok
}
