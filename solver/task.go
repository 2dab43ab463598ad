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

// task is a vertex in a build.
type task struct {
	*env
	*progress
	v  *Vertex
	op Op
	in []*Result
	// variant is the digest of v, unless v or a vertex that it depends on ignores
	// the cache.
	variant string

	cacheMap *future[*CacheMap]
	probed   *future[lookup] // before anything runs
	found    *future[lookup] // after what the key needs has run
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

// failed attributes an error to t, unless it is the error of an input.
func (t *task) failed(err error) error {
	var of *Error
	if err == nil || errors.As(err, &of) {
		return t.located(err)
	}
	return &Error{Vertex: t.v, Err: err, Locations: t.v.Locations}
}

// located gives the locations of t to the error of an input that has none.
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
		if isSource { // to resolve it takes time
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

// mustRun reports whether the operation runs even if a cache has its outputs: it
// ignores the cache, or needs the whole of an operation that does.
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

// id returns the identity of the outputs in the keys of dependents. If it depends on
// what the operation makes, the operation runs first. Sources need not be fetched, as
// the key of a source is its content.
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

// evaluate finds the outputs in a cache or makes them. An operation starts when
// all of its inputs exist.
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

// run makes the outputs and stores them. It reports the end before another operation
// takes its slot.
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
	// If the content is the same as before, so is the identity: what was made from it
	// is found.
	//
	// Upstream: what depends on a step that ran because its input ignored the cache is
	// found whatever the content. The build then has files of the earlier run.
	case l.id == "" && ok && slices.EqualFunc(earlier.Outputs, c.Outputs, sameContent):
		c.ID = earlier.ID
	case l.id == "":
		c.ID = l.key.identityOf(c.Outputs)
	case ok:
		// Another build may have made the result meanwhile. Its first is everybody's:
		// what depends on it may be in the cache already, and the difference of two
		// results is small only if the lower one is what the upper one was made from.
		return earlier, nil
	}
	return c, t.put(ctx, l.key, c)
}

func sameContent(a, b *snapshot.Snapshot) bool { return a.Tree().Digest() == b.Tree().Digest() }

// put stores the outputs under a key.
func (t *task) put(ctx context.Context, key Key, c CacheEntry) error {
	return t.opt.Cache.Put(ctx, key.Digest(), Origin{t.v.Name(), t.v.Op.GetSource().GetIdentifier()}, c)
}

// prefetch starts to make the outputs if no cache has them. It reports nothing:
// whoever needs the outputs gets the error.
func (t *task) prefetch(ctx context.Context) {
	l, err := t.lookup(ctx)
	if err != nil || l.ok || t.inImports(ctx) {
		return
	}
	t.outs.start(t.work, t.evaluate)
}

// snapshots evaluates results concurrently. If several fail, it returns the
// first error.
func snapshots(ctx context.Context, in []*Result) ([]*snapshot.Snapshot, error) {
	out := make([]*snapshot.Snapshot, len(in))
	err := concurrently(ctx, len(in), func(ctx context.Context, i int) (err error) {
		out[i], err = in[i].Snapshot(ctx)
		return err
	})
	return out, err
}

// concurrently calls fn with each number below n, and returns the first error. A
// single call needs no goroutine: chains of operations are deep.
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

// Result is an output of a vertex, which may not have run yet. The nil Result is
// an empty tree.
type Result struct {
	task  *task
	index int
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
