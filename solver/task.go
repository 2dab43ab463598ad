package solver

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"slipway/solver/snapshot"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// task evaluates one vertex of a job. Each of its futures is computed at most once. Safe
// for concurrent use.
type task struct {
	*env
	*progress
	v  *Vertex
	op Op
	in []*Result
	// hasExec is true if the vertex is a RUN step or has one among its transitive inputs.
	hasExec bool
	// variant identifies the task in the job. It is the digest of v, unless v or one of its
	// transitive inputs ignores the cache.
	variant string

	cacheMap      *future[*CacheMap]
	probeResult   *future[lookup]
	lookupResult  *future[lookup]
	definitionKey *future[Key]
	outs          *future[CacheEntry]
	allOuts       *future[CacheEntry] // see allOutputs
	imports       importLookups

	used usedOutputs
}

// newTask returns a task that evaluates the vertex v. The parameter op implements the
// operation of v, and inputs contains the results that the operation needs.
func newTask(e *env, v *Vertex, op Op, inputs []*Result) *task {
	p := &progress{events: e.events, vertex: v}
	for _, r := range inputs {
		p.inputs = append(p.inputs, r.task.progress)
	}
	hasExec := v.Op.GetExec() != nil
	for _, r := range inputs {
		hasExec = hasExec || r.task.hasExec
	}
	return &task{
		env: e, progress: p, v: v, op: op, in: inputs, hasExec: hasExec,
		cacheMap: newFuture[*CacheMap](), probeResult: newFuture[lookup](), lookupResult: newFuture[lookup](),
		definitionKey: newFuture[Key](), outs: newFuture[CacheEntry](), allOuts: newFuture[CacheEntry](), imports: newImportLookups(),
	}
}

// failed returns err as an [Error] of the vertex. If err already contains an Error, which
// comes from an input, failed adds no other Error. If that Error has no locations, failed adds
// the locations of the vertex to it.
func (t *task) failed(err error) error {
	var of *Error
	if err == nil || errors.As(err, &of) {
		return t.located(err)
	}
	return &Error{Vertex: t.v, Err: err, Locations: t.v.Locations}
}

// located adds the locations of the vertex to err if it is an [Error] without locations.
func (t *task) located(err error) error {
	var of *Error
	if errors.As(err, &of) && len(of.Locations) == 0 && len(t.v.Locations) > 0 {
		return &Error{Vertex: of.Vertex, Err: of.Err, Locations: t.v.Locations}
	}
	return err
}

// describe returns the cache map of the operation. For a source operation, it also resolves
// the source, for example the tag of an image to a digest.
func (t *task) describe(ctx context.Context) (*CacheMap, error) {
	return t.cacheMap.get(ctx, t.work, func(ctx context.Context) (*CacheMap, error) {
		isSource := t.v.Op.GetSource() != nil
		if isSource { // show progress, because resolving may use the network
			t.start()
		}
		m, err := t.op.CacheMap(t.withReporter(ctx))
		if err = t.failed(err); err != nil {
			t.start()
		}
		t.end(Done, err)
		return m, err
	})
}

// mustRun reports whether the operation runs even if the cache has its outputs. This is
// true if the vertex ignores the cache, or if the cache key depends on the outputs of an
// input that ignores the cache, and not only on the content of selected files. Inputs that
// are sources do not count, because the cache key of a source covers its content.
func (t *task) mustRun(m *CacheMap) bool {
	if t.v.Meta.IgnoreCache {
		return true
	}
	for i, in := range t.in {
		if m.Deps[i].Content == nil && in.task.v.Meta.IgnoreCache && in.task.v.Op.GetSource() == nil {
			return true
		}
	}
	return false
}

// id returns a digest that identifies the outputs of the vertex in the cache keys of
// dependents: usually the cache key of the vertex. If the operation runs without using the
// cache, the digest covers the outputs, so id runs the operation first. It never fetches a
// source, because the cache key of a source covers its content.
func (t *task) id(ctx context.Context) (digest.Digest, error) {
	l, err := t.lookup(ctx)
	if err != nil || l.id != "" {
		return l.id, err
	}
	c, err := t.outputs(ctx)
	return c.ID, err
}

// outputs returns the outputs of the vertex. It takes them from a cache if possible, and
// otherwise evaluates the inputs and runs the operation.
func (t *task) outputs(ctx context.Context) (CacheEntry, error) {
	return t.outs.get(ctx, t.work, t.evaluate)
}

// evaluate returns the outputs of the vertex from the local cache, from an imported cache,
// or by running the operation.
func (t *task) evaluate(ctx context.Context) (c CacheEntry, err error) {
	defer func() { t.end(Done, err) }()
	l, err := t.lookup(ctx)
	if err != nil {
		return c, err
	}
	if l.ok {
		t.hit()
		return CacheEntry{ID: l.id, Outputs: l.outs}, nil
	}
	if c, ok := t.fromImports(ctx, l); ok {
		c.ID = l.id
		if !c.isPartial() {
			err = t.failed(t.put(ctx, l.key, c))
		}
		if err == nil {
			t.hit()
		}
		return c, err
	}
	in, err := snapshots(ctx, t.in)
	if err != nil {
		return c, t.located(err)
	}
	c, err = t.runShared(ctx, l, in)
	return c, t.failed(err)
}

// runShared is like run. But if another job runs the same operation, runShared waits and then
// returns the outputs of that job. An operation that runs other vertices never waits, because the
// jobs could wait for each other.
func (t *task) runShared(ctx context.Context, l lookup, in []*snapshot.Snapshot) (CacheEntry, error) {
	if _, ok := t.op.(waiter); ok || l.id == "" || t.v.Meta.IgnoreCache {
		return t.run(ctx, l, in)
	}
	end, waited, err := t.opt.Shared.start(ctx, l.key.Digest())
	if err != nil {
		return CacheEntry{}, err
	}
	defer end()
	if waited {
		found, err := t.stored(ctx, l.key)
		if err != nil {
			return CacheEntry{}, err
		}
		if found.ok {
			t.hit()
			return CacheEntry{ID: found.id, Outputs: found.outs}, nil
		}
	}
	return t.run(ctx, l, in)
}

// run runs the operation when a slot of the scheduler is free, and stores its outputs in
// the cache. It sends the event Done before it releases the slot, so that no more
// vertices appear to run than [Options.Parallel] permits.
func (t *task) run(ctx context.Context, l lookup, in []*snapshot.Snapshot) (c CacheEntry, err error) {
	c.ID = l.key.Digest()
	if _, ok := t.op.(waiter); !ok {
		if err := t.slots.Acquire(ctx, 1); err != nil {
			return c, err
		}
		defer t.slots.Release(1)
	}
	if p, ok := t.op.(preparer); ok {
		p.prepare(ctx, in)
	}
	t.start()
	defer func() { t.end(Done, t.failed(err)) }()
	t.env.events.emit(Event{Vertex: t.v, Kind: Missed})
	c.Outputs, err = t.op.Run(t.withReporter(ctx), in)
	for _, s := range c.Outputs {
		err = cmp.Or(err, snapshot.CheckLayers(s.Chain().Len()))
	}
	if err != nil {
		return c, err
	}
	if t.v.Op.GetSource() != nil {
		return c, t.put(ctx, l.key, c)
	}
	earlier, ok, err := t.opt.Cache.Get(ctx, l.key.Digest())
	if err != nil {
		return c, err
	}
	earlier.ID = cmp.Or(earlier.ID, c.ID)
	same := false
	if l.id == "" && ok {
		if same, err = sameContent(earlier.Outputs, c.Outputs); err != nil {
			return c, err
		}
	}
	switch {
	// The operation ran without using the cache, but produced the same content as before.
	// Reuse the earlier identity, so that dependents are cache hits.
	//
	// Upstream: if a step ran because its input ignored the cache, its dependents are
	// cache hits even if the content changed. The build then contains files from the
	// earlier run.
	case same:
		c.ID = earlier.ID
	case l.id == "":
		c.ID = l.key.identityOf(c.Outputs)
	case ok:
		// A concurrent build has run the same operation and stored its outputs first. Use
		// these, because the cache may already contain results based on them. Two runs
		// rarely produce the same bytes, so mixing their results would make diffs large.
		return earlier, nil
	}
	return c, t.put(ctx, l.key, c)
}

// sameContent reports whether the snapshots in a and b have equal files, except for their
// times.
func sameContent(a, b []*snapshot.Snapshot) (bool, error) {
	if len(a) != len(b) {
		return false, nil
	}
	for i := range a {
		earlier, err := a[i].Tree()
		if err != nil {
			return false, err
		}
		now, err := b[i].Tree()
		if err != nil || earlier.Digest() != now.Digest() {
			return false, err
		}
	}
	return true, nil
}

// put stores the outputs of the vertex in the cache under the given cache key.
func (t *task) put(ctx context.Context, key Key, c CacheEntry) error {
	return t.opt.Cache.Put(ctx, key.Digest(), Origin{t.v.Name(), t.v.Op.GetSource().GetIdentifier()}, c)
}

// prefetch starts to evaluate the vertex in the background if no cache has its outputs. If an
// error occurs, the method outputs returns it later.
func (t *task) prefetch(ctx context.Context) {
	l, err := t.lookup(ctx)
	if err != nil || l.ok || t.inImports(ctx, l) {
		return
	}
	t.outs.start(t.work, t.evaluate)
}

// snapshots evaluates results concurrently and returns their snapshots. It returns the
// first error.
func snapshots(ctx context.Context, in []*Result) ([]*snapshot.Snapshot, error) {
	out := make([]*snapshot.Snapshot, len(in))
	err := concurrently(ctx, len(in), func(ctx context.Context, i int) (err error) {
		out[i], err = in[i].Snapshot(ctx)
		return err
	})
	return out, err
}

// concurrently calls fn with the numbers 0 to n-1 concurrently and returns the first
// error. If n is 1, it starts no goroutine: most vertices have one input, and a build may
// have long chains of them.
func concurrently(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	if n == 1 {
		return fn(ctx, 0)
	}
	g, ctx := errgroup.WithContext(ctx)
	for i := range n {
		g.Go(func() error { return fn(ctx, i) })
	}
	return g.Wait()
}

// Result is an output of a vertex in a job. The vertex may not have been evaluated yet. A
// nil Result is an empty file tree. Safe for concurrent use.
type Result struct {
	task  *task
	index int
}

// Vertex returns the vertex that produces r. r must not be nil.
func (r *Result) Vertex() *Vertex { return r.task.v }

// id returns a digest that identifies the output r in cache keys. It is derived from vertexID,
// the digest for all outputs of the vertex, as returned by [task.id].
func (r *Result) id(vertexID digest.Digest) digest.Digest {
	return digest.FromString(fmt.Sprintf("%s %d", vertexID, r.index))
}

// pick returns an output from outs, the outputs of a vertex with the given name.
func pick(name string, outs []*snapshot.Snapshot, index int) (*snapshot.Snapshot, error) {
	if index >= len(outs) {
		return nil, fmt.Errorf("%s has no output %d", name, index)
	}
	return outs[index], nil
}

// Key returns a digest that identifies the result: results with equal keys have equal
// content. It evaluates inputs only if the key depends on their content.
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

// Snapshot returns the content of the result. It takes the content from a cache if
// possible, and otherwise evaluates the inputs and runs the operation. If r is nil, it
// returns nil.
func (r *Result) Snapshot(ctx context.Context) (*snapshot.Snapshot, error) {
	if r == nil {
		return nil, nil
	}
	c, err := r.task.outputs(ctx)
	if err != nil {
		return nil, err
	}
	s, err := c.pick(r.task.v.Name(), r.index)
	if errors.Is(err, errNotImported) {
		if c, err = r.task.allOutputs(ctx); err != nil {
			return nil, err
		}
		s, err = c.pick(r.task.v.Name(), r.index)
	}
	return s.WithID(r.id(c.ID)), err
}
