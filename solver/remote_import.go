package solver

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"slipway/solver/cachemap"
	"slipway/solver/contenthash"
	"slipway/solver/snapshot"
)

// matches contains the records of imported caches that match an operation.
type matches struct {
	records [][]Record // by output
	results []digest.Digest
}

// complete reports whether every output has a result.
func (m matches) complete() bool {
	for _, r := range m.results {
		if r == "" {
			return false
		}
	}
	return len(m.results) > 0
}

// importLookups holds the lookups of a task in imported caches.
type importLookups struct{ fast, full *future[matches] }

func newImportLookups() *importLookups {
	return &importLookups{newFuture[matches](), newFuture[matches]()}
}

// matches looks up the operation in imported caches. If full is false, it runs nothing
// and reads only local directories. If full is true, it also uses the content of inputs
// that were evaluated already.
func (t *task) matches(ctx context.Context, full bool) (matches, error) {
	f := t.imports.fast
	if full {
		f = t.imports.full
	}
	return f.get(ctx, t.work, func(ctx context.Context) (matches, error) {
		var m matches
		described, err := t.describe(ctx)
		if err != nil || described.Exported.Digest == "" || t.mustRun(described) {
			return m, err
		}
		names := described.Exported
		inputs := make([][]Link, len(t.in))
		for i := range t.in {
			if inputs[i], err = t.links(ctx, names.Inputs[i], i, full); err != nil {
				return m, err
			}
		}
		for out := range outputs(t.v) {
			records := t.opt.Imports.Find(cachemap.Output(names.Digest, out), inputs)
			m.records = append(m.records, records)
			m.results = append(m.results, t.opt.Imports.Result(records))
		}
		return m, nil
	})
}

// links returns the records of imported caches that match input i.
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
	if !input.ByContent || !full && !isLocal(in.task.v) {
		return links, nil
	}
	d, err := t.content(ctx, input, in)
	if errors.Is(err, errUnknown) {
		return links, nil
	}
	if err != nil {
		return nil, err
	}
	return append(links, Link{Records: t.opt.Imports.Find(cachemap.Output(d, cachemap.Content), nil)}), nil
}

// content returns BuildKit's content digest of the selected files of an input. If the
// input does not exist yet, it returns errUnknown.
func (t *task) content(ctx context.Context, input cachemap.Input, in *Result) (digest.Digest, error) {
	s, err := in.peek(ctx)
	if err != nil {
		return "", err
	}
	what := contenthash.Tree{Local: isLocal(in.task.v)}
	if s != nil {
		what.Root = s.Tree()
	}
	return t.contents.Sum(ctx, what, input.Content)
}

// mayBeImported reports whether imported caches may have the outputs. They do not contain
// sources.
func (t *task) mayBeImported() bool {
	return t.opt.Imports != nil && t.v.Op.GetSource() == nil
}

// importedByDefinition reports whether imported caches have all outputs. It searches by
// the identity of inputs, and by the content of local directories.
func (t *task) importedByDefinition(ctx context.Context) bool {
	if !t.mayBeImported() {
		return false
	}
	m, err := t.matches(ctx, false)
	return err == nil && m.complete()
}

// inImports reports whether imported caches have all outputs. It searches as
// importedByDefinition does, and by the content of inputs.
func (t *task) inImports(ctx context.Context) bool {
	if t.importedByDefinition(ctx) {
		return true
	}
	if !t.mayBeImported() {
		return false
	}
	m, err := t.matches(ctx, true)
	return err == nil && m.complete()
}

// fromImports fetches all outputs from imported caches if they have them. It never runs
// an operation. If fetching fails, the build continues without the import.
func (t *task) fromImports(ctx context.Context) ([]*snapshot.Snapshot, bool) {
	if !t.mayBeImported() {
		return nil, false
	}
	for _, full := range []bool{false, true} {
		m, err := t.matches(ctx, full)
		if err != nil || !m.complete() {
			continue
		}
		t.start()
		if outs, err := t.load(ctx, m.results); err == nil {
			return outs, true
		}
	}
	return nil, false
}

// load fetches imported results. Each result is fetched once per job, and a failure is
// reported once.
func (t *task) load(ctx context.Context, results []digest.Digest) ([]*snapshot.Snapshot, error) {
	outs := make([]*snapshot.Snapshot, len(results))
	for i, r := range results {
		var err error
		if outs[i], err = t.env.load(r).get(ctx, t.work, func(ctx context.Context) (*snapshot.Snapshot, error) {
			s, err := t.opt.Imports.Load(t.reporting(ctx), r)
			if err != nil && ctx.Err() == nil {
				t.opt.Imports.Failed(t.v, err)
			}
			return s, err
		}); err != nil {
			return nil, err
		}
	}
	return outs, nil
}
