package solver

import (
	"cmp"
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
)

// lookup is what is known of a vertex before it runs.
type lookup struct {
	key  Key           // has no parts if it is unknown
	id   digest.Digest // of the outputs in the keys of dependents; "" if it is unknown
	outs []*Snapshot
	ok   bool // outs were in the cache
	// definition is the key by definition, if that was needed; see findByDefinition.
	definition digest.Digest
}

// errUnknown is the error of a key that needs something to run first.
var errUnknown = errors.New("not known before inputs have run")

// probe searches the cache without running anything. Sources are resolved, and
// files of the client are read.
func (t *task) probe(ctx context.Context) (lookup, error) {
	return t.probed.get(ctx, t.b, func(ctx context.Context) (lookup, error) {
		m, err := t.describe(ctx)
		if err != nil {
			return lookup{}, err
		}
		key, err := t.assemble(ctx, m, func(ctx context.Context, i int) ([]Part, error) {
			return t.knownParts(ctx, m, i)
		})
		if err == nil {
			return t.find(ctx, m, key)
		}
		// Content that cannot be read is reported by the operation, if it has to run.
		return t.findByDefinition(ctx, m)
	})
}

// lookup searches the cache by the key. What the key depends on is evaluated.
func (t *task) lookup(ctx context.Context) (lookup, error) {
	return t.found.get(ctx, t.b, func(ctx context.Context) (lookup, error) {
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
		return t.find(ctx, m, key)
	})
}

// assemble makes a key. parts returns what the key has of an input.
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

// find searches the cache by the key. A result that was imported when the content
// of inputs was unknown has the key of the definition.
func (t *task) find(ctx context.Context, m *CacheMap, key Key) (lookup, error) {
	l := lookup{key: key, id: key.Digest()}
	if t.mustRun() {
		if t.v.Op.GetSource() == nil {
			l.id = ""
		}
		return l, nil
	}
	c, ok, err := t.b.opt.Cache.Get(ctx, key.Digest())
	if err != nil {
		return l, t.failed(err)
	}
	if ok {
		l.id, l.outs, l.ok = cmp.Or(c.ID, l.id), c.Outputs, true
		return l, nil
	}
	if byDefinition, err := t.findByDefinition(ctx, m); err != nil || byDefinition.ok {
		return byDefinition, err
	}
	return l, nil
}

// findByDefinition searches the cache by a key that has the identity of every
// input instead of its content. It is the key of results of which imported caches
// know only how they were made.
func (t *task) findByDefinition(ctx context.Context, m *CacheMap) (lookup, error) {
	if !m.readsContent() || t.mustRun() {
		return lookup{}, nil
	}
	key, err := t.assemble(ctx, m, func(ctx context.Context, i int) ([]Part, error) {
		id, err := t.in[i].task.definitionID(ctx)
		return m.whole(i, t.in[i].id(id)), err
	})
	if err != nil {
		return lookup{}, context.Cause(ctx)
	}
	c, ok, err := t.b.opt.Cache.Get(ctx, key.Digest())
	l := lookup{definition: key.Digest()}
	switch {
	case err != nil:
		return lookup{}, t.failed(err)
	case ok:
		l.key, l.id, l.outs, l.ok = key, cmp.Or(c.ID, key.Digest()), c.Outputs, true
	case t.importedByDefinition(ctx):
		l.key, l.id = key, key.Digest()
	}
	return l, nil
}

// definitionID returns the identity of the outputs if it is known, and else that
// which they have if they are imported.
func (t *task) definitionID(ctx context.Context) (digest.Digest, error) {
	if id, ok := t.knownID(ctx); ok {
		return id, nil
	}
	l, err := t.probe(ctx)
	if err == nil && l.definition == "" {
		err = errUnknown
	}
	return l.definition, err
}

// readsContent reports whether the content of an input is part of the key.
func (m *CacheMap) readsContent() bool {
	for _, d := range m.Deps {
		if d.Content != nil {
			return true
		}
	}
	return false
}

// whole returns the parts of a key for input i with this identity.
func (m *CacheMap) whole(i int, id digest.Digest) []Part {
	d := m.Deps[i]
	parts := []Part{{Name: d.Name, Digest: id, Input: i}}
	if d.Selector != "" {
		parts = append(parts, Part{Name: "paths of " + d.Name, Digest: d.Selector, Input: -1})
	}
	return parts
}

// knownParts returns the parts of the key for an input, without running anything.
func (t *task) knownParts(ctx context.Context, m *CacheMap, i int) ([]Part, error) {
	in := t.in[i]
	if m.Deps[i].Content == nil {
		id, ok := in.task.knownID(ctx)
		if !ok {
			return nil, errUnknown
		}
		return m.whole(i, in.id(id)), nil
	}
	s, err := in.known(ctx)
	if err != nil {
		return nil, err
	}
	return m.Deps[i].Content(ctx, s)
}

// parts returns the parts of the key for an input, and evaluates what they need.
// Other inputs, which nothing waits for yet, are made meanwhile: a result under the
// key of the vertex is unlikely to exist if that of an input does not.
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

// knownID returns the identity of the outputs, and reports whether it is known
// without running anything.
func (t *task) knownID(ctx context.Context) (digest.Digest, bool) {
	if c, ok := t.outs.known(); ok {
		return c.ID, true
	}
	l, err := t.probe(ctx)
	return l.id, err == nil && l.id != ""
}

// known returns the result if it exists already. Files of the client are read.
func (r *Result) known(ctx context.Context) (*Snapshot, error) {
	if r == nil {
		return nil, nil
	}
	if isLocal(r.task.v) {
		return r.Snapshot(ctx)
	}
	if c, ok := r.task.outs.known(); ok {
		return r.of(c.Outputs)
	}
	l, err := r.task.probe(ctx)
	if err != nil || !l.ok {
		return nil, errUnknown
	}
	return r.of(l.outs)
}
