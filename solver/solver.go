package solver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"slipway/solver/contenthash"
	"slipway/solver/runner"
	"slipway/solver/tree"
)

// Options are what a solver works with.
type Options struct {
	Store   *tree.Store
	Cache   Cache
	Sources Sources
	Runner  runner.Runner
	Mounts  Mounts  // caches, secrets and agents; nil if there are none
	Imports Imports // what others built; nil if there is nothing

	// Parallel is how many operations run at once; 0 is one.
	Parallel int
	// Now is the time that new files get, and that of events.
	Now func() time.Time
	// Events is told what happens, one event at a time; nil is fine.
	Events func(Event)
	// Insecure allows processes with all privileges, and HostNetwork those in
	// the network of the host. Both have to be asked for.
	Insecure, HostNetwork bool
}

// Sources open what is outside.
type Sources interface {
	// Open finds out what a source is now, without fetching it.
	Open(ctx context.Context, op *pb.SourceOp, platform *pb.Platform) (Source, error)
}

// Source is a source whose content is known.
type Source interface {
	// Digest names the content.
	Digest() digest.Digest
	// Fetch gets it.
	Fetch(ctx context.Context) (*Snapshot, error)
}

// Build is one build: what it has worked out is not worked out again. It is
// used from several goroutines.
type Build struct {
	ctx   context.Context
	opt   Options
	slots *semaphore.Weighted

	contents *contenthash.Hasher

	mu     sync.Mutex
	tasks  map[digest.Digest]*task
	nested map[digest.Digest][]digest.Digest // builds in the definition of a build

	events sync.Mutex
	work   sync.WaitGroup // what goes on when nobody waits for it any more
}

// New starts a build. What it does ends with ctx.
func New(ctx context.Context, opt Options) *Build {
	return &Build{
		ctx: ctx, opt: opt,
		slots: semaphore.NewWeighted(int64(max(1, opt.Parallel))),
		tasks: map[digest.Digest]*task{}, nested: map[digest.Digest][]digest.Digest{}, contents: contenthash.New(opt.Store),
	}
}

// Wait waits until all has ended that the build started. Nothing of it must be
// asked for any more, and unless all of it was waited for, its context is to end
// before.
func (b *Build) Wait() { b.work.Wait() }

// Result is an output of an operation, which may not have run yet.
type Result struct {
	task  *task
	index int
	known bool // nothing may be run for it
}

// task is a vertex in a build.
type task struct {
	b    *Build
	v    *Vertex
	op   op
	in   []*Result
	key  *future[Key]
	outs *future[[]*Snapshot]

	imports *imported
}

// op is what a vertex does.
type op interface {
	// key says what the result depends on. It may look into the inputs.
	key(ctx context.Context, in []*Result) (Key, error)
	// run makes the outputs.
	run(ctx context.Context, in []*Result) ([]*Snapshot, error)
}

// Result returns the result of a graph without working it out. The result of a
// graph without a vertex is nil: an empty tree.
func (b *Build) Result(g *Graph) *Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, v := range g.Vertices {
		if _, ok := b.tasks[v.Digest]; ok {
			continue
		}
		t := &task{b: b, v: v, key: newFuture[Key](), outs: newFuture[[]*Snapshot](), imports: newImported()}
		for _, e := range v.Inputs {
			t.in = append(t.in, &Result{task: b.tasks[e.Vertex.Digest], index: e.Index})
		}
		t.op = newOp(t)
		b.tasks[v.Digest] = t
	}
	if g.Root.Vertex == nil {
		return nil
	}
	return &Result{task: b.tasks[g.Root.Vertex.Digest], index: g.Root.Index}
}

// Vertex returns the operation that makes the result.
func (r *Result) Vertex() *Vertex { return r.task.v }

// Key returns the digest of what the result depends on.
func (r *Result) Key(ctx context.Context) (digest.Digest, error) {
	if r == nil {
		return digest.FromString("scratch"), nil
	}
	var k Key
	var err error
	if r.known {
		k, err = r.task.knownKey(ctx)
	} else {
		k, err = r.task.keys(ctx)
	}
	if err != nil {
		return "", err
	}
	return digest.FromString(fmt.Sprintf("%s %d", k.Digest(), r.index)), nil
}

// Snapshot works the result out: from the cache, or by running the operation
// and what it needs.
func (r *Result) Snapshot(ctx context.Context) (*Snapshot, error) {
	if r == nil {
		return nil, nil
	}
	if r.known {
		return r.knownSnapshot(ctx)
	}
	outs, err := r.task.outs.get(ctx, r.task.b, r.task.evaluate)
	if err != nil {
		return nil, err
	}
	if r.index >= len(outs) {
		return nil, fmt.Errorf("%s has no output %d", r.task.v.Name(), r.index)
	}
	return outs[r.index], nil
}

// Error is an error of an operation.
type Error struct {
	Vertex *Vertex
	Err    error
	// Locations are the places of the operation; of one that has none, as a
	// download of ADD, those of what needed it first.
	Locations []Location
}

func (e *Error) Error() string { return short(e.Vertex.Name()) + ": " + e.Err.Error() }

// short cuts names that nobody wants to read to their end.
func short(name string) string {
	const most = 1000
	if len(name) > most {
		return name[:most] + "…"
	}
	return name
}

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

// failed says which operation an error is of, unless it is of an input.
func (t *task) failed(err error) error {
	var of *Error
	if err == nil || errors.As(err, &of) {
		return t.located(err)
	}
	return &Error{Vertex: t.v, Err: err, Locations: t.v.Locations}
}

// located says where an error of an input comes from that has no place.
func (t *task) located(err error) error {
	var of *Error
	if errors.As(err, &of) && len(of.Locations) == 0 && len(t.v.Locations) > 0 {
		return &Error{Vertex: of.Vertex, Err: of.Err, Locations: t.v.Locations}
	}
	return err
}

func (t *task) keys(ctx context.Context) (Key, error) {
	return t.key.get(ctx, t.b, func(ctx context.Context) (Key, error) {
		if k, ok := t.importedKey(ctx); ok {
			return k, nil
		}
		k, err := t.op.key(ctx, t.in)
		return k, t.failed(err)
	})
}

// evaluate gets the outputs from the cache or makes them. The operation starts
// when all that it needs is there.
func (t *task) evaluate(ctx context.Context) (outs []*Snapshot, err error) {
	if outs, ok := t.fromImports(ctx, false); ok {
		return outs, nil
	}
	if err := t.inputKeys(ctx); err != nil {
		return nil, t.located(err)
	}
	end := func(bool, error) {}
	if len(t.in) == 0 {
		end = t.start() // finding out what a source is takes its time
	}
	k, err := t.keys(ctx)
	if err != nil {
		end(false, err)
		return nil, err
	}
	if !t.v.Meta.IgnoreCache {
		outs, ok, err := t.b.opt.Cache.Get(ctx, k.Digest())
		if err != nil || ok {
			if len(t.in) > 0 {
				end = t.start()
			}
			end(ok, err)
			return outs, t.failed(err)
		}
		if outs, ok := t.fromImports(ctx, true); ok {
			return outs, t.failed(t.put(ctx, k, outs))
		}
	}
	if _, err := snapshots(ctx, t.in); err != nil {
		return nil, t.located(err)
	}
	if _, waits := t.op.(*buildOp); !waits { // for operations that need one
		if err := t.b.slots.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		defer t.b.slots.Release(1)
	}
	if len(t.in) > 0 {
		end = t.start()
	}
	t.b.emit(Event{Vertex: t.v, Kind: Missed})
	outs, err = t.op.run(ctx, t.in)
	for _, s := range outs {
		err = cmp.Or(err, checkLayers(len(s.Layers())))
	}
	if err == nil {
		err = t.put(ctx, k, outs)
	}
	err = t.failed(err)
	end(false, err)
	return outs, err
}

// put puts the outputs into the cache.
func (t *task) put(ctx context.Context, k Key, outs []*Snapshot) error {
	return t.b.opt.Cache.Put(ctx, k.Digest(), Origin{t.v.Name(), t.v.Op.GetSource().GetIdentifier()}, outs)
}

// start tells that the operation starts, and returns what tells that it ends.
func (t *task) start() func(cached bool, err error) {
	t.b.emit(Event{Vertex: t.v, Kind: Started})
	return func(cached bool, err error) {
		kind := Done
		if cached {
			kind = Cached
		}
		t.b.emit(Event{Vertex: t.v, Kind: kind, Err: err})
	}
}

// inputKeys works out the keys of the inputs side by side.
func (t *task) inputKeys(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, in := range t.in {
		g.Go(func() error {
			_, err := in.Key(ctx)
			return err
		})
	}
	return g.Wait()
}

// snapshots works out results side by side. Of several errors the first one
// counts.
func snapshots(ctx context.Context, in []*Result) ([]*Snapshot, error) {
	out := make([]*Snapshot, len(in))
	g, ctx := errgroup.WithContext(ctx)
	for i, r := range in {
		g.Go(func() (err error) {
			out[i], err = r.Snapshot(ctx)
			return err
		})
	}
	return out, g.Wait()
}

// emit tells an event.
func (b *Build) emit(e Event) {
	if b.opt.Events == nil {
		return
	}
	b.events.Lock()
	defer b.events.Unlock()
	e.Time = b.opt.Now()
	b.opt.Events(e)
}

// Known returns the key of an operation, if it was worked out.
func (b *Build) Known(v *Vertex) (Key, bool) {
	b.mu.Lock()
	t := b.tasks[v.Digest]
	b.mu.Unlock()
	if t == nil || !t.key.finished() || t.key.err != nil {
		return Key{}, false
	}
	return t.key.val, true
}

// Finish tells of the operations that a successful build did not have to look
// at, as later ones were cached.
func (b *Build) Finish(g *Graph) {
	for _, v := range g.Vertices {
		b.mu.Lock()
		t := b.tasks[v.Digest]
		b.mu.Unlock()
		if t != nil && !t.outs.finished() {
			b.emit(Event{Vertex: v, Kind: Cached})
		}
	}
}
