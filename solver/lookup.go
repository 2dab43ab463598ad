package solver

import (
	"cmp"
	"context"
	"errors"

	"slipway/solver/snapshot"

	"github.com/opencontainers/go-digest"
)

// lookup is the result of searching the caches for the outputs of a vertex.
type lookup struct {
	key  Key           // without parts if the key is unknown
	id   digest.Digest // identity of the outputs; "" if the operation has to run first
	outs []*snapshot.Snapshot
	ok   bool // whether outs were found in the local cache
}

// errUnknown is the error for a cache key or content that can only be known after an input is
// evaluated.
var errUnknown = errors.New("not known before inputs have run")

// probe searches the caches for the outputs of the vertex without running any operation. It
// resolves sources and reads local directories. If it cannot compute the cache key, the key
// in the returned lookup has no parts.
func (t *task) probe(ctx context.Context) (lookup, error) {
	return t.probeResult.get(ctx, t.work, func(ctx context.Context) (lookup, error) {
		m, err := t.describe(ctx)
		if err != nil {
			return lookup{}, err
		}
		key, err := t.assemble(ctx, m, func(ctx context.Context, i int) ([]Part, error) {
			return t.peekParts(ctx, m, i)
		})
		if err == nil {
			return t.find(ctx, key)
		}
		// Drop the error: lookup returns it if the key of the definition does not lead to a
		// cache hit either.
		return t.findByDefinition(ctx)
	})
}

// lookup searches the caches for the outputs of the vertex. It evaluates the inputs whose
// content the cache key covers. Unlike probe, it always returns a key, or an error.
func (t *task) lookup(ctx context.Context) (lookup, error) {
	return t.lookupResult.get(ctx, t.work, func(ctx context.Context) (lookup, error) {
		l, err := t.probe(ctx)
		if err != nil || len(l.key.Parts) > 0 {
			return l, t.located(err)
		}
		m, err := t.describe(ctx)
		if err != nil {
			return lookup{}, err
		}
		key, err := t.assemble(ctx, m, func(ctx context.Context, i int) ([]Part, error) {
			return t.parts(ctx, m, i)
		})
		if err != nil {
			return lookup{}, err
		}
		return t.find(ctx, key)
	})
}

// assemble returns the cache key of the vertex: the parts in the cache map m, followed
// by a list of parts for each input. To get these lists, it calls the function
// inputParts concurrently with the index i of each input.
func (t *task) assemble(ctx context.Context, m *CacheMap, inputParts func(ctx context.Context, i int) ([]Part, error)) (Key, error) {
	byInput := make([][]Part, len(t.in))
	err := concurrently(ctx, len(t.in), func(ctx context.Context, i int) (err error) {
		byInput[i], err = inputParts(ctx, i)
		return err
	})
	if err != nil {
		return Key{}, err
	}
	key := Key{Parts: m.Parts[:len(m.Parts):len(m.Parts)]}
	for _, list := range byInput {
		key.Parts = append(key.Parts, list...)
	}
	return key, nil
}

// find searches the local cache for the outputs of the vertex under the given cache key. If
// the cache has no outputs under this key, it searches again under the definition key, which
// does not cover the content of the inputs. Results that were imported before the content of
// the inputs was known are stored under the definition key. For a RUN step whose runner has a
// cache key, find searches first under the given key with an additional part for the runner,
// and then under the given key without this part.
func (t *task) find(ctx context.Context, key Key) (lookup, error) {
	m, err := t.describe(ctx)
	if err != nil {
		return lookup{}, err
	}
	missed := lookup{key: key, id: key.Digest()}
	var runnerErr error
	if t.v.Op.GetExec() != nil {
		var runner digest.Digest
		runner, runnerErr = t.runnerKey(ctx)
		missed.key = key.withRunner(runner)
		missed.id = missed.key.Digest()
	}
	if t.mustRun(m) {
		if t.v.Op.GetSource() == nil {
			missed.id = ""
		}
		return missed, t.runnerFailed(runnerErr)
	}
	if missed.key.runner() != "" {
		if l, err := t.stored(ctx, missed.key); err != nil || l.ok {
			return l, err
		}
	}
	if l, err := t.stored(ctx, key); err != nil || l.ok {
		return l, err
	}
	byDefinition, err := t.findByDefinition(ctx)
	if err != nil || byDefinition.ok {
		return byDefinition, err
	}
	if missed.key.runner() == "" && byDefinition.key.runner() != "" {
		return byDefinition, nil // only imported caches of the same runner have the outputs
	}
	return missed, t.runnerFailed(runnerErr)
}

// stored searches the local cache for outputs under the given cache key. The returned lookup
// contains the key and, if the cache has the outputs, also the outputs.
func (t *task) stored(ctx context.Context, key Key) (lookup, error) {
	l := lookup{key: key, id: key.Digest()}
	c, ok, err := t.opt.Cache.Get(ctx, l.id)
	if err != nil {
		return l, t.failed(err)
	}
	if ok {
		l.id, l.outs, l.ok = cmp.Or(c.ID, l.id), c.Outputs, true
	}
	return l, nil
}

// findByDefinition searches the caches for outputs under the definition key, which can be
// computed before the content of inputs is known. For results that were imported from caches
// of the same runner, it also searches under the definition key with the part for the runner.
// If only imported caches have the outputs, the returned lookup contains no outputs, but the
// key under which they will be stored in the local cache. If no cache has the outputs,
// findByDefinition returns the zero lookup.
func (t *task) findByDefinition(ctx context.Context) (lookup, error) {
	m, err := t.describe(ctx)
	if err != nil || t.mustRun(m) {
		return lookup{}, err
	}
	key, err := t.definition(ctx)
	if err != nil {
		return lookup{}, context.Cause(ctx)
	}
	l, err := t.stored(ctx, key)
	if err != nil || l.ok || t.imported(ctx, search{}) {
		return l, err
	}
	runner, err := t.runnerKey(ctx)
	if err != nil || runner == "" {
		return lookup{}, t.runnerFailed(err)
	}
	if l, err = t.stored(ctx, key.withRunner(runner)); err != nil || l.ok || t.imported(ctx, search{runner: true}) {
		return l, err
	}
	return lookup{}, nil
}

// definition returns the definition key: a cache key that contains the identity of every
// input, as returned by definitionID, and never its content. If an identity is unknown
// until the input is evaluated, definition returns errUnknown.
func (t *task) definition(ctx context.Context) (Key, error) {
	return t.definitionKey.get(ctx, t.work, func(ctx context.Context) (Key, error) {
		m, err := t.describe(ctx)
		if err != nil {
			return Key{}, err
		}
		return t.assemble(ctx, m, func(ctx context.Context, i int) ([]Part, error) {
			id, err := t.in[i].task.definitionID(ctx)
			return m.identityParts(i, t.in[i].id(id)), err
		})
	})
}

// definitionID returns a digest that identifies the outputs of the vertex in the definition
// keys of dependents. If the operation ignores the cache, the digest covers the outputs of
// this build, so definitionID returns errUnknown until the operation has run.
func (t *task) definitionID(ctx context.Context) (digest.Digest, error) {
	m, err := t.describe(ctx)
	if err != nil {
		return "", err
	}
	if t.mustRun(m) && t.v.Op.GetSource() == nil {
		c, ok := t.outs.peek()
		if !ok {
			return "", errUnknown
		}
		return c.ID, nil
	}
	if l, err := t.probe(ctx); err == nil && l.ok && l.id != l.key.Digest() {
		return l.id, nil
	}
	key, err := t.definition(ctx)
	return key.Digest(), err
}

// identityParts returns the parts of a cache key for the input with index i: one part for
// id, the digest that identifies the input, and one for the paths that the operation reads
// from the input.
func (m *CacheMap) identityParts(i int, id digest.Digest) []Part {
	d := m.Deps[i]
	parts := []Part{{Name: d.Name, Digest: id, Input: i}}
	if d.Selector != "" {
		parts = append(parts, Part{Name: "paths of " + d.Name, Digest: d.Selector, Input: -1})
	}
	return parts
}

// peekParts returns the parts of the cache key for input i without running any operation.
// It returns errUnknown if that is impossible.
func (t *task) peekParts(ctx context.Context, m *CacheMap, i int) ([]Part, error) {
	in := t.in[i]
	if m.Deps[i].Content == nil {
		id, ok := in.task.peekID(ctx)
		if !ok {
			return nil, errUnknown
		}
		return m.identityParts(i, in.id(id)), nil
	}
	s, err := in.peek(ctx)
	if err != nil {
		return nil, err
	}
	return m.Deps[i].Content(ctx, s)
}

// parts returns the parts of the cache key for the input with index i. If the parts cover the
// content of the input, it evaluates the input. If the parts do not cover the content and no
// cache has the outputs of the input, it starts to evaluate the input in the background. In
// this case, a cache hit for the vertex itself is unlikely, so the input will probably be
// needed.
func (t *task) parts(ctx context.Context, m *CacheMap, i int) ([]Part, error) {
	in := t.in[i]
	if m.Deps[i].Content == nil {
		id, err := in.task.id(ctx)
		if err != nil {
			return nil, t.located(err)
		}
		in.task.prefetch(ctx)
		return m.identityParts(i, in.id(id)), nil
	}
	s, err := in.Snapshot(ctx)
	if err != nil {
		return nil, t.located(err)
	}
	parts, err := m.Deps[i].Content(ctx, s)
	if err != nil {
		t.start()
		err = t.failed(err)
		t.end(Done, err)
	}
	return parts, err
}

// peekID returns the digest that [task.id] returns, and reports whether this digest is
// known without running any operation.
func (t *task) peekID(ctx context.Context) (digest.Digest, bool) {
	if c, ok := t.outs.peek(); ok {
		return c.ID, true
	}
	l, err := t.probe(ctx)
	return l.id, err == nil && l.id != ""
}

// peek returns the snapshot of r if it is in the local cache or was evaluated in this job,
// and errUnknown otherwise. If r is a local directory, peek reads it.
func (r *Result) peek(ctx context.Context) (*snapshot.Snapshot, error) {
	if r == nil {
		return nil, nil
	}
	if isLocal(r.task.v) {
		return r.Snapshot(ctx)
	}
	if c, ok := r.task.outs.peek(); ok {
		s, err := c.pick(r.task.v.Name(), r.index)
		if errors.Is(err, errNotImported) {
			err = errUnknown
		}
		return s, err
	}
	l, err := r.task.probe(ctx)
	if err != nil || !l.ok {
		return nil, errUnknown
	}
	return pick(r.task.v.Name(), l.outs, r.index)
}
