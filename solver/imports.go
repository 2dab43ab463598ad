package solver

import (
	"context"
	"strings"

	"github.com/opencontainers/go-digest"

	"slipway/solver/cachemap"
	"slipway/solver/contenthash"
)

// NamedSource is a [Source] that has a name in BuildKit's caches.
type NamedSource interface {
	Source
	CacheKey() (string, error)
}

// Imports are caches that other builds, of this program or of BuildKit, have
// exported. They name operations as package cachemap does. It is used from
// several goroutines.
type Imports interface {
	// Find returns the records of that name that have, for each input, one of the
	// links.
	Find(name digest.Digest, inputs [][]Link) []Record
	// Result returns the name of the newest result of records; "" if there is none.
	Result(records []Record) digest.Digest
	// Load fetches a result.
	Load(ctx context.Context, result digest.Digest) (*Snapshot, error)
	// Failed is told of results that could not be fetched. The build goes on
	// without them.
	Failed(of *Vertex, err error)
}

// Record is a record of an imported cache.
type Record struct{ Cache, Index int }

// Link is what an input of a record may be.
type Link struct {
	Selector digest.Digest // of the input; "" is all
	Records  []Record
}

// matches are what imported caches know of an operation.
type matches struct {
	records [][]Record // by output
	results []digest.Digest
}

// complete tells whether there is a result for each output.
func (m matches) complete() bool {
	for _, r := range m.results {
		if r == "" {
			return false
		}
	}
	return len(m.results) > 0
}

// imported is the state of a task with imported caches.
type imported struct {
	fast, full *future[matches]
	names      *future[cachemap.Map]
	known      *future[known]
}

func newImported() *imported {
	return &imported{newFuture[matches](), newFuture[matches](), newFuture[cachemap.Map](), newFuture[known]()}
}

// names returns what the operation is called. That of a directory of the client
// is empty.
func (t *task) names(ctx context.Context) (cachemap.Map, error) {
	return t.imports.names.get(ctx, t.b, func(ctx context.Context) (cachemap.Map, error) {
		s, ok := t.op.(*sourceOp)
		if !ok {
			return cachemap.Of(t.v.Op)
		}
		if t.isLocal() {
			return cachemap.Map{}, nil
		}
		src, err := s.open(ctx)
		if err != nil {
			return cachemap.Map{}, err
		}
		named, ok := src.(NamedSource)
		if !ok {
			return cachemap.Map{}, nil
		}
		key, err := named.CacheKey()
		return cachemap.OfSource(key), err
	})
}

func (t *task) isLocal() bool {
	return strings.HasPrefix(t.v.Op.GetSource().GetIdentifier(), "local://")
}

// matches looks the operation up in imported caches: without working anything
// out but files of the client, or in full, by the content of inputs that were
// worked out.
func (t *task) matches(ctx context.Context, full bool) (matches, error) {
	f := t.imports.fast
	if full {
		f = t.imports.full
	}
	return f.get(ctx, t.b, func(ctx context.Context) (matches, error) {
		var m matches
		names, err := t.names(ctx)
		if err != nil || names.Digest == "" || t.v.Meta.IgnoreCache {
			return m, err
		}
		inputs := make([][]Link, len(t.in))
		for i := range t.in {
			if inputs[i], err = t.links(ctx, names.Inputs[i], i, full); err != nil {
				return m, err
			}
		}
		for out := range outputs(t.v) {
			records := t.b.opt.Imports.Find(cachemap.Output(names.Digest, out), inputs)
			m.records = append(m.records, records)
			m.results = append(m.results, t.b.opt.Imports.Result(records))
		}
		return m, nil
	})
}

// links returns what imported caches know of an input.
func (t *task) links(ctx context.Context, input cachemap.Input, i int, full bool) ([]Link, error) {
	in := t.in[i]
	m, err := in.task.matches(ctx, full)
	if err != nil {
		return nil, err
	}
	var links []Link
	if in.index < len(m.records) {
		links = append(links, Link{Selector: input.Selector, Records: m.records[in.index]})
	}
	if !input.ByContent || !in.task.isLocal() && !(full && in.task.outs.finished()) {
		return links, nil
	}
	d, err := t.content(ctx, input, in)
	if err != nil {
		return nil, err
	}
	return append(links, Link{Records: t.b.opt.Imports.Find(cachemap.Output(d, cachemap.Content), nil)}), nil
}

// content returns the digest of what matters of an input.
func (t *task) content(ctx context.Context, input cachemap.Input, in *Result) (digest.Digest, error) {
	s, err := in.Snapshot(ctx)
	if err != nil {
		return "", err
	}
	what := contenthash.Tree{Local: in.task.isLocal()}
	if s != nil {
		what.Root = s.Tree()
	}
	return t.b.contents.Sum(ctx, what, input.Content)
}

// fromImports returns the outputs if imported caches have all of them and the
// own cache has them not. Nothing is run for that. What goes wrong is for the
// operation itself to say.
func (t *task) fromImports(ctx context.Context, full bool) ([]*Snapshot, bool) {
	if t.b.opt.Imports == nil || t.v.Op.GetSource() != nil {
		return nil, false
	}
	m, err := t.matches(ctx, full)
	if err != nil || !m.complete() {
		return nil, false
	}
	if !full {
		if k := t.lookup(ctx); k.ok {
			return nil, false
		}
	}
	end := t.start()
	outs := make([]*Snapshot, len(m.results))
	for i, r := range m.results {
		if outs[i], err = t.b.opt.Imports.Load(ctx, r); err != nil {
			t.b.opt.Imports.Failed(t.v, err)
			return nil, false
		}
	}
	end(true, nil)
	if k := t.lookup(ctx); !full && len(k.key.Parts) > 0 {
		_ = t.put(ctx, k.key, outs) // next time it is there without the import
	}
	return outs, true
}

// importedKey is the key of an operation whose result imported caches have and
// the own one has not. It does without what a key would have to run.
func (t *task) importedKey(ctx context.Context) (Key, bool) {
	if t.b.opt.Imports == nil || t.v.Op.GetSource() != nil {
		return Key{}, false
	}
	m, err := t.matches(ctx, false)
	if err != nil || !m.complete() || t.lookup(ctx).ok {
		return Key{}, false
	}
	var k Key
	for _, r := range m.results {
		k.add("imported result", r)
	}
	return k, true
}
