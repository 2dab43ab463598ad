package solver

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/semaphore"

	"slipway/solver/contenthash"
	"slipway/solver/snapshot"
)

// env is the state that the tasks and operations of a job share. Safe for concurrent use.
type env struct {
	opt      Options
	work     *work
	events   *events
	slots    *semaphore.Weighted
	contents *contenthash.Hasher
	// nested returns the result of a definition that a build operation evaluates.
	nested func(*Vertex, *Graph) (*Result, error)

	mu    sync.Mutex
	loads map[digest.Digest]*future[*snapshot.Snapshot] // of imported results
}

func newEnv(ctx context.Context, opt Options) *env {
	return &env{
		opt: opt, work: &work{ctx: ctx}, events: &events{send: opt.Events, now: opt.Now},
		slots: semaphore.NewWeighted(int64(max(1, opt.Parallel))), contents: contenthash.New(opt.Store),
		loads: map[digest.Digest]*future[*snapshot.Snapshot]{},
	}
}

// load returns the future of an imported result. Each result is fetched once.
func (e *env) load(result digest.Digest) *future[*snapshot.Snapshot] {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.loads[result] == nil {
		e.loads[result] = newFuture[*snapshot.Snapshot]()
	}
	return e.loads[result]
}
