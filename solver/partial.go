package solver

import (
	"context"
	"errors"
	"sync"

	"slipway/solver/snapshot"
)

// errNotImported is the error for an output that an imported cache lacks, although it has the
// outputs that were needed when it was searched.
var errNotImported = errors.New("the imported cache lacks the output")

// usedOutputs is the set of outputs of a vertex that other vertices or results of the job use.
// Imported caches may lack other outputs. Safe for concurrent use.
type usedOutputs struct {
	mu   sync.Mutex
	used map[int]bool
}

// add adds an output to the set.
func (u *usedOutputs) add(index int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.used == nil {
		u.used = map[int]bool{}
	}
	u.used[index] = true
}

// has reports whether the set contains an output.
func (u *usedOutputs) has(index int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.used[index]
}

// isPartial reports whether outputs are missing from the entry. No cache stores such an entry.
func (c CacheEntry) isPartial() bool { return c.missing != nil }

// pick returns an output of a vertex with the given name.
func (c CacheEntry) pick(name string, index int) (*snapshot.Snapshot, error) {
	if c.missing[index] {
		return nil, errNotImported
	}
	return pick(name, c.Outputs, index)
}

// allOutputs runs the operation, because an output is needed that the imported cache lacks. It is
// needed if a frontend uses another output of a vertex later in the build.
func (t *task) allOutputs(ctx context.Context) (CacheEntry, error) {
	return t.allOuts.get(ctx, t.work, func(ctx context.Context) (c CacheEntry, err error) {
		defer func() { t.end(Done, err) }()
		l, err := t.lookup(ctx)
		if err != nil {
			return c, err
		}
		in, err := snapshots(ctx, t.in)
		if err != nil {
			return c, t.located(err)
		}
		c, err = t.runShared(ctx, l, in)
		return c, t.failed(err)
	})
}
