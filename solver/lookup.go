package solver

import (
	"cmp"
	"context"
	"errors"

	"slipway/solver/snapshot"

	"github.com/opencontainers/go-digest"
)

// lookup is the result of a search in the caches for a vertex.
type lookup struct {
	key  Key           // no parts if it is unknown
	id   digest.Digest // of the outputs, for the keys of dependents; "" if the operation has to run first
	outs []*snapshot.Snapshot
	ok   bool // whether outs were in the cache
}

// errUnknown is the error for a key that cannot be computed before an input has run.
var errUnknown = errors.New("not known before inputs have run")

// probe searches the caches without running anything. It resolves sources and reads local
// directories.
func (t *task) probe(ctx context.Context) (lookup, error) {
	return t.probed.get(ctx, t.work, func(ctx context.Context) (lookup, error) {
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
		// If content cannot be read, the operation returns the error when it has to run.
		return t.findByDefinition(ctx)
	})
}

// lookup searches the caches by the key. It evaluates the inputs that the key depends on.
func (t *task) lookup(ctx context.Context) (lookup, error) {
	return t.found.get(ctx, t.work, func(ctx context.Context) (lookup, error) {
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

// assemble returns a key of the parts of m and the parts for each input, which parts
// returns.
func (t *task) assemble(ctx context.Context, m *CacheMap, parts func(ctx context.Context, i int) ([]Part, error)) (Key, error) {
	of := make([][]Part, len(t.in))
	err := concurrently(ctx, len(t.in), func(ctx context.Context, i int) (err error) {
		of[i], err = parts(ctx, i)
		return err
	})
	if err != nil {
		return Key{}, err
	}
	key := Key{Parts: m.Parts[:len(m.Parts):len(m.Parts)]}
	for _, list := range of {
		key.Parts = append(key.Parts, list...)
	}
	return key, nil
}

// find searches the caches by key. A result that was imported before the content of
// inputs was known is stored under the key of the definition, which is searched as well.
func (t *task) find(ctx context.Context, key Key) (lookup, error) {
	l := lookup{key: key, id: key.Digest()}
	m, err := t.describe(ctx)
	if err != nil {
		return l, err
	}
	if t.mustRun(m) {
		if t.v.Op.GetSource() == nil {
			l.id = ""
		}
		return l, nil
	}
	c, ok, err := t.opt.Cache.Get(ctx, key.Digest())
	if err != nil {
		return l, t.failed(err)
	}
	if ok {
		l.id, l.outs, l.ok = cmp.Or(c.ID, l.id), c.Outputs, true
		return l, nil
	}
	if byDefinition, err := t.findByDefinition(ctx); err != nil || byDefinition.ok {
		return byDefinition, err
	}
	return l, nil
}

// findByDefinition searches the caches by the key of the definition. Imported results are
// stored under this key if the content of their inputs is unknown.
func (t *task) findByDefinition(ctx context.Context) (lookup, error) {
	m, err := t.describe(ctx)
	if err != nil || t.mustRun(m) {
		return lookup{}, err
	}
	key, err := t.definition(ctx)
	if err != nil {
		return lookup{}, context.Cause(ctx)
	}
	l := lookup{key: key, id: key.Digest()}
	c, ok, err := t.opt.Cache.Get(ctx, key.Digest())
	switch {
	case err != nil:
		return lookup{}, t.failed(err)
	case ok:
		l.id, l.outs, l.ok = cmp.Or(c.ID, l.id), c.Outputs, true
	case !t.importedByDefinition(ctx):
		return lookup{}, nil
	}
	return l, nil
}

// definition returns the key of the definition. It contains the identity of every input
// instead of its content. If an input has to run first, the error is errUnknown.
func (t *task) definition(ctx context.Context) (Key, error) {
	return t.defined.get(ctx, t.work, func(ctx context.Context) (Key, error) {
		m, err := t.describe(ctx)
		if err != nil {
			return Key{}, err
		}
		return t.assemble(ctx, m, func(ctx context.Context, i int) ([]Part, error) {
			id, err := t.in[i].task.definitionID(ctx)
			return m.whole(i, t.in[i].id(id)), err
		})
	})
}

// definitionID returns the identity of the outputs for keys of definitions. If the
// operation ignored the cache and ran, this is the identity of this run, which no
// definition yields.
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

// whole returns the parts of the key for input i if id is its identity.
func (m *CacheMap) whole(i int, id digest.Digest) []Part {
	d := m.Deps[i]
	parts := []Part{{Name: d.Name, Digest: id, Input: i}}
	if d.Selector != "" {
		parts = append(parts, Part{Name: "paths of " + d.Name, Digest: d.Selector, Input: -1})
	}
	return parts
}

// peekParts returns the parts of the key for an input without running anything.
func (t *task) peekParts(ctx context.Context, m *CacheMap, i int) ([]Part, error) {
	in := t.in[i]
	if m.Deps[i].Content == nil {
		id, ok := in.task.peekID(ctx)
		if !ok {
			return nil, errUnknown
		}
		return m.whole(i, in.id(id)), nil
	}
	s, err := in.peek(ctx)
	if err != nil {
		return nil, err
	}
	return m.Deps[i].Content(ctx, s)
}

// parts returns the parts of the key for an input and evaluates the results they depend
// on. An input whose content is not needed for the key is prefetched if no cache has it,
// because a hit for this vertex is then unlikely.
func (t *task) parts(ctx context.Context, m *CacheMap, i int) ([]Part, error) {
	in := t.in[i]
	if m.Deps[i].Content == nil {
		id, err := in.task.id(ctx)
		if err != nil {
			return nil, t.located(err)
		}
		in.task.prefetch(ctx)
		return m.whole(i, in.id(id)), nil
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

// peekID returns the identity of the outputs, and reports whether it is known without
// running anything.
func (t *task) peekID(ctx context.Context) (digest.Digest, bool) {
	if c, ok := t.outs.peek(); ok {
		return c.ID, true
	}
	l, err := t.probe(ctx)
	return l.id, err == nil && l.id != ""
}

// peek returns the snapshot if it exists already, and errUnknown otherwise. Local
// directories are read.
func (r *Result) peek(ctx context.Context) (*snapshot.Snapshot, error) {
	if r == nil {
		return nil, nil
	}
	if isLocal(r.task.v) {
		return r.Snapshot(ctx)
	}
	if c, ok := r.task.outs.peek(); ok {
		return r.of(c.Outputs)
	}
	l, err := r.task.probe(ctx)
	if err != nil || !l.ok {
		return nil, errUnknown
	}
	return r.of(l.outs)
}
