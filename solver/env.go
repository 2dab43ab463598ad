package solver

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/semaphore"

	"slipway/solver/contenthash"
	"slipway/solver/snapshot"
)

// env holds the state that all tasks and operations of a job share. Safe for concurrent
// use.
type env struct {
	opt      Options
	work     *work
	events   *events
	unpacks  unpacks
	slots    *semaphore.Weighted
	contents *contenthash.Hasher
	// nested is [Job.nest]: it adds the graph of a build operation to the job.
	nested func(*Vertex, *Graph) (*Result, error)

	mu    sync.Mutex
	loads map[digest.Digest]*future[*snapshot.Snapshot] // imported results by digest
}

func newEnv(ctx context.Context, opt Options) *env {
	return &env{
		opt: opt, work: &work{ctx: ctx}, events: &events{send: opt.Events, now: opt.Now},
		slots: semaphore.NewWeighted(int64(max(1, opt.Parallel))), contents: contenthash.New(opt.Store),
		loads: map[digest.Digest]*future[*snapshot.Snapshot]{},
	}
}

// load returns the future that fetches a result from an imported cache. The parameter
// result is the digest of this result. All tasks of the job share the future, so that
// each result is fetched only once.
func (e *env) load(result digest.Digest) *future[*snapshot.Snapshot] {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.loads[result] == nil {
		e.loads[result] = newFuture[*snapshot.Snapshot]()
	}
	return e.loads[result]
}
