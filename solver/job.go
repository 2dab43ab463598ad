package solver

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/semaphore"

	"slipway/solver/contenthash"
	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// Options configures a Job.
type Options struct {
	Store   *tree.Store
	Cache   Cache
	Sources Sources
	Runner  runner.Runner
	Mounts  Mounts  // cache mounts, secrets and SSH agents; may be nil
	Imports Imports // imported caches; may be nil

	// Parallel is the number of operations that run at once; 0 means one.
	Parallel int
	// Now returns the time of new files and of events.
	Now func() time.Time
	// Events receives events, one at a time. If it is nil, they are dropped.
	Events func(Event)
	// Output limits what a process prints. If it is nil, the limits are BuildKit's
	// defaults: 2 MiB, and 200 KiB per second.
	Output *OutputLimit
	// Insecure permits processes with all privileges, HostNetwork processes in the
	// network of the host.
	Insecure, HostNetwork bool
	// NewOp returns the operation of a vertex. If it is nil, operations do what LLB
	// defines. Tests of the scheduler replace it.
	NewOp func(*Vertex) Op
}

// Sources resolves source operations (images, git, HTTP, local directories) to
// pinned content.
type Sources interface {
	// Open resolves a source without fetching it.
	Open(ctx context.Context, op *pb.SourceOp, platform *pb.Platform) (Source, error)
}

// Source is a source whose content is known.
type Source interface {
	// Digest returns a digest that covers the content.
	Digest() digest.Digest
	// Fetch returns the content.
	Fetch(ctx context.Context) (*snapshot.Snapshot, error)
}

// Build evaluates vertices, each at most once. It is safe for concurrent use.
type Job struct {
	ctx   context.Context
	opt   Options
	slots *semaphore.Weighted

	contents *contenthash.Hasher

	mu       sync.Mutex
	tasks    map[string]*task // by variant
	byVertex map[*Vertex]*task
	loads    map[digest.Digest]*future[*snapshot.Snapshot] // of imported results
	nested   map[digest.Digest][]digest.Digest             // builds in the definition of a build

	events sync.Mutex
	work   sync.WaitGroup // goroutines, which callers may have ceased to wait for
}

// New starts a build, which ends with ctx.
func New(ctx context.Context, opt Options) *Job {
	return &Job{
		ctx: ctx, opt: opt,
		slots: semaphore.NewWeighted(int64(max(1, opt.Parallel))),
		tasks: map[string]*task{}, byVertex: map[*Vertex]*task{}, loads: map[digest.Digest]*future[*snapshot.Snapshot]{},
		nested: map[digest.Digest][]digest.Digest{}, contents: contenthash.New(opt.Store),
	}
}

// Wait blocks until every goroutine started by b has returned. Call it after the
// last use of b. If results are still pending, cancel the build's context first.
func (j *Job) Wait() { j.work.Wait() }

// Result is an output of a vertex, which may not have run yet. The nil Result is
// an empty tree.
type Result struct {
	task  *task
	index int
}

// Result returns the result of a graph without evaluating it.
func (j *Job) Result(g *Graph) *Result {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, v := range g.Vertices {
		var in []*Result
		for _, e := range v.Inputs {
			in = append(in, &Result{task: j.byVertex[e.Vertex], index: e.Index})
		}
		j.byVertex[v] = j.task(v, in)
	}
	if g.Root.Vertex == nil {
		return nil
	}
	return &Result{task: j.byVertex[g.Root.Vertex], index: g.Root.Index}
}

// task returns the task of a vertex, which vertices of several graphs may share.
// A vertex that ignores the cache is another one than a vertex that may use it, and
// so are those that depend on it. If it ran already, there is no need for the other
// one.
func (j *Job) task(v *Vertex, in []*Result) *task {
	id := string(v.Digest)
	for _, r := range in {
		if r.task.variant != string(r.task.v.Digest) {
			id += " " + r.task.variant
		}
	}
	always := id + " always"
	if t := j.tasks[always]; t != nil {
		return t
	}
	if v.Meta.IgnoreCache {
		id = always
	}
	if t := j.tasks[id]; t != nil {
		return t
	}
	t := newTask(j, v, in)
	t.variant = id
	if id != string(v.Digest) {
		t.variant = digest.FromString(id).String()
	}
	j.tasks[id] = t
	return t
}

// Vertex returns the operation that makes the result.
func (r *Result) Vertex() *Vertex { return r.task.v }

// id returns the identity of the output, given the identity of the operation.
func (r *Result) id(of digest.Digest) digest.Digest {
	return digest.FromString(fmt.Sprintf("%s %d", of, r.index))
}

// of returns the output from the outputs of the operation.
func (r *Result) of(outs []*snapshot.Snapshot) (*snapshot.Snapshot, error) {
	if r.index >= len(outs) {
		return nil, fmt.Errorf("%s has no output %d", r.task.v.Name(), r.index)
	}
	return outs[r.index], nil
}

// Key returns the identity of the result: results with the same key are the same.
// It evaluates what the key depends on.
func (r *Result) Key(ctx context.Context) (digest.Digest, error) {
	if r == nil {
		return digest.FromString("scratch"), nil
	}
	id, err := r.task.id(ctx)
	if err != nil {
		return "", err
	}
	return r.id(id), nil
}

// Snapshot evaluates the result: it comes from a cache, or the operation and what
// it needs run.
func (r *Result) Snapshot(ctx context.Context) (*snapshot.Snapshot, error) {
	if r == nil {
		return nil, nil
	}
	c, err := r.task.outputs(ctx)
	if err != nil {
		return nil, err
	}
	s, err := r.of(c.Outputs)
	return s.WithID(r.id(c.ID)), err
}

// Known returns the key of a vertex, and reports whether it was computed.
func (j *Job) Known(v *Vertex) (Key, bool) {
	j.mu.Lock()
	t := j.byVertex[v]
	j.mu.Unlock()
	if t == nil {
		return Key{}, false
	}
	l, ok := t.found.known()
	if !ok {
		l, ok = t.probed.known()
	}
	return l.key, ok && len(l.key.Parts) > 0
}

// Finish reports the vertices of a graph that a successful build did not have to
// look at, as later ones were cached.
func (j *Job) Finish(g *Graph) {
	for _, v := range g.Vertices {
		j.mu.Lock()
		t := j.byVertex[v]
		j.mu.Unlock()
		if t != nil {
			t.skip()
		}
	}
}
