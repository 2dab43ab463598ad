package solver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"slipway/solver/snapshot"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// task evaluates one vertex of a job.
type task struct {
	*env
	*progress
	v  *Vertex
	op Op
	in []*Result
	// variant is the digest of v, unless v or one of its transitive inputs ignores the
	// cache.
	variant string

	cacheMap *future[*CacheMap]
	probed   *future[lookup] // the lookup that runs no operation
	found    *future[lookup] // the lookup after the inputs that the key needs have run
	defined  *future[Key]
	outs     *future[CacheEntry]
	imports  *importLookups
}

func newTask(e *env, v *Vertex, op Op, in []*Result) *task {
	p := &progress{events: e.events, of: v}
	for _, r := range in {
		p.inputs = append(p.inputs, r.task.progress)
	}
	return &task{
		env: e, progress: p, v: v, op: op, in: in,
		cacheMap: newFuture[*CacheMap](), probed: newFuture[lookup](), found: newFuture[lookup](), defined: newFuture[Key](),
		outs: newFuture[CacheEntry](), imports: newImportLookups(),
	}
}

// failed returns err as an [Error] of t. An error of an input stays the error of the
// input.
func (t *task) failed(err error) error {
	var of *Error
	if err == nil || errors.As(err, &of) {
		return t.located(err)
	}
	return &Error{Vertex: t.v, Err: err, Locations: t.v.Locations}
}

// located adds the locations of t to the error of an input that has none.
func (t *task) located(err error) error {
	var of *Error
	if errors.As(err, &of) && len(of.Locations) == 0 && len(t.v.Locations) > 0 {
		return &Error{Vertex: of.Vertex, Err: of.Err, Locations: t.v.Locations}
	}
	return err
}

// describe returns the cache map.
func (t *task) describe(ctx context.Context) (*CacheMap, error) {
	return t.cacheMap.get(ctx, t.work, func(ctx context.Context) (*CacheMap, error) {
		isSource := t.v.Op.GetSource() != nil
		if isSource { // resolving takes time
			t.start()
		}
		m, err := t.op.CacheMap(t.reporting(ctx))
		if err = t.failed(err); err != nil {
			t.start()
		}
		t.end(Done, err)
		return m, err
	})
}

// mustRun reports whether the operation runs even on a cache hit. This is so if it
// ignores the cache, or if its key contains the identity of an input that ignores the
// cache. Inputs that are sources have no effect, because their identity is their content.
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

// id returns the identity of the outputs, which is part of the keys of dependents. The
// operation runs first if the identity depends on the outputs. Sources are not fetched,
// because the key of a source covers its content.
func (t *task) id(ctx context.Context) (digest.Digest, error) {
	l, err := t.lookup(ctx)
	if err != nil || l.id != "" {
		return l.id, err
	}
	c, err := t.outputs(ctx)
	return c.ID, err
}

// outputs returns the outputs, from a cache or by running the operation.
func (t *task) outputs(ctx context.Context) (CacheEntry, error) {
	return t.outs.get(ctx, t.work, t.evaluate)
}

// evaluate returns the outputs from a cache, or runs the operation once all inputs exist.
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
	if outs, ok := t.fromImports(ctx); ok {
		c = CacheEntry{ID: l.id, Outputs: outs}
		if err = t.failed(t.put(ctx, l.key, c)); err == nil {
			t.hit()
		}
		return c, err
	}
	in, err := snapshots(ctx, t.in)
	if err != nil {
		return c, t.located(err)
	}
	c, err = t.run(ctx, l, in)
	return c, t.failed(err)
}

// run runs the operation and stores its outputs. It reports the end of the vertex before
// it releases the slot.
func (t *task) run(ctx context.Context, l lookup, in []*snapshot.Snapshot) (c CacheEntry, err error) {
	c.ID = l.key.Digest()
	if _, ok := t.op.(waiter); !ok {
		if err := t.slots.Acquire(ctx, 1); err != nil {
			return c, err
		}
		defer t.slots.Release(1)
	}
	t.start()
	defer func() { t.end(Done, t.failed(err)) }()
	t.env.events.emit(Event{Vertex: t.v, Kind: Missed})
	c.Outputs, err = t.op.Run(t.reporting(ctx), in)
	for _, s := range c.Outputs {
		err = cmp.Or(err, snapshot.CheckLayers(len(s.Layers())))
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
	switch {
	// If the content is the same as before, the identity is reused, so that dependents
	// built from it are cache hits.
	//
	// Upstream: if a step ran because its input ignored the cache, its dependents are
	// cache hits whatever the content. The build then contains files of the earlier run.
	case l.id == "" && ok && slices.EqualFunc(earlier.Outputs, c.Outputs, sameContent):
		c.ID = earlier.ID
	case l.id == "":
		c.ID = l.key.identityOf(c.Outputs)
	case ok:
		// A concurrent build has stored a result under this key. The first result wins:
		// dependents of it may be in the cache already. Also, the diff of two results is
		// small only if the upper one was made from the lower one.
		return earlier, nil
	}
	return c, t.put(ctx, l.key, c)
}

func sameContent(a, b *snapshot.Snapshot) bool { return a.Tree().Digest() == b.Tree().Digest() }

// put stores the outputs under a key.
func (t *task) put(ctx context.Context, key Key, c CacheEntry) error {
	return t.opt.Cache.Put(ctx, key.Digest(), Origin{t.v.Name(), t.v.Op.GetSource().GetIdentifier()}, c)
}

// prefetch starts the evaluation of the outputs if no cache has them. It returns no
// error: callers that need the outputs get it.
func (t *task) prefetch(ctx context.Context) {
	l, err := t.lookup(ctx)
	if err != nil || l.ok || t.inImports(ctx) {
		return
	}
	t.outs.start(t.work, t.evaluate)
}

// snapshots evaluates results concurrently. If several fail, it returns the first error.
func snapshots(ctx context.Context, in []*Result) ([]*snapshot.Snapshot, error) {
	out := make([]*snapshot.Snapshot, len(in))
	err := concurrently(ctx, len(in), func(ctx context.Context, i int) (err error) {
		out[i], err = in[i].Snapshot(ctx)
		return err
	})
	return out, err
}

// concurrently calls fn with 0 to n-1 and returns the first error. A single call uses no
// goroutine, because chains of operations are deep.
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

// Result is an output of a vertex, which may not have run yet. A nil Result is an empty
// tree.
type Result struct {
	task  *task
	index int
}

// Vertex returns the vertex that r is an output of.
func (r *Result) Vertex() *Vertex { return r.task.v }

// id returns the identity of the output, given the identity of the operation.
func (r *Result) id(of digest.Digest) digest.Digest {
	return digest.FromString(fmt.Sprintf("%s %d", of, r.index))
}

// of returns this output from the list of all outputs of the operation.
func (r *Result) of(outs []*snapshot.Snapshot) (*snapshot.Snapshot, error) {
	if r.index >= len(outs) {
		return nil, fmt.Errorf("%s has no output %d", r.task.v.Name(), r.index)
	}
	return outs[r.index], nil
}

// Key returns the identity of the result: results with equal keys are equal. It evaluates
// the inputs that the key depends on.
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

// Snapshot evaluates the result, from a cache or by running the operation and its inputs.
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
