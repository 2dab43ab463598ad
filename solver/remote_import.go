package solver

import (
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"

	"slipway/solver/cachemap"
	"slipway/solver/contenthash"
	"slipway/solver/snapshot"
)

// matches contains the records of imported caches that match the outputs of a vertex.
type matches struct {
	records [][]Record      // by output
	results []digest.Digest // by output; "" if no record of the output has a result
}

// complete reports whether imported caches have a result for every output that is used.
func (m matches) complete(used *usedOutputs) bool {
	found := false
	for i, r := range m.results {
		if r == "" && used.has(i) {
			return false
		}
		found = found || r != ""
	}
	return found
}

// search specifies which records of imported caches match a vertex.
type search struct {
	// If full is true, the search compares the content of all inputs that have been evaluated.
	// If it is false, the search compares only the content of local directories.
	full bool
	// If runner is true, the search includes results that come from RUN steps of a runner with
	// the same key, see [RunnerPart]. Such results must be stored under a key that contains the
	// key of the runner.
	runner bool
}

// importLookups holds one future for each kind of search in imported caches. The value of a
// future is the list of records that match the outputs of the task, see [task.matches].
type importLookups map[search]*future[matches]

// newImportLookups returns importLookups whose futures have not been computed.
func newImportLookups() importLookups {
	l := importLookups{}
	for _, full := range []bool{false, true} {
		for _, runner := range []bool{false, true} {
			l[search{full, runner}] = newFuture[matches]()
		}
	}
	return l
}

// matches returns the records of imported caches that match the vertex. It never runs an
// operation. An input can match in two ways: by the records of the vertex that produced
// it, or by the content of the files that the operation selects.
func (t *task) matches(ctx context.Context, s search) (matches, error) {
	return t.imports[s].get(ctx, t.work, func(ctx context.Context) (matches, error) {
		var m matches
		described, err := t.describe(ctx)
		if err != nil || described.Exported.Digest == "" || t.mustRun(described) {
			return m, err
		}
		var runner digest.Digest
		if s.runner {
			if runner, err = t.runnerKey(ctx); err != nil {
				return m, err
			}
		}
		names := described.Exported
		inputs := make([][]Link, len(t.in))
		for i := range t.in {
			if inputs[i], err = t.links(ctx, names.Inputs[i], i, s); err != nil {
				return m, err
			}
		}
		for out := range outputs(t.v) {
			records := t.opt.Imports.Find(cachemap.Output(names.Digest, out), inputs)
			if runner != "" {
				records = append(records, t.opt.Imports.Find(cachemap.Output(exportedWith(names.Digest, runner), out), inputs)...)
			}
			m.records = append(m.records, records)
			m.results = append(m.results, t.opt.Imports.Result(records))
		}
		return m, nil
	})
}

// links returns the records of imported caches that match input i. The parameter entry
// describes this input in the cache map.
func (t *task) links(ctx context.Context, entry cachemap.Input, i int, s search) ([]Link, error) {
	in := t.in[i]
	m, err := in.task.matches(ctx, s)
	if err != nil {
		return nil, err
	}
	var links []Link
	if in.index < len(m.records) {
		links = append(links, Link{Selector: entry.Selector, Records: m.records[in.index]})
	}
	if !entry.ByContent || !s.full && !isLocal(in.task.v) {
		return links, nil
	}
	d, err := t.content(ctx, entry, in)
	if errors.Is(err, errUnknown) {
		return links, nil
	}
	if err != nil {
		return nil, err
	}
	return append(links, Link{Records: t.opt.Imports.Find(cachemap.Output(d, cachemap.Content), nil)}), nil
}

// importedContents returns the cache keys of the content that an input of the vertex had, according
// to the imported caches that match the vertex without this content.
func (t *task) importedContents(ctx context.Context, input int) (names []digest.Digest) {
	if !t.mayBeImported() {
		return nil
	}
	for _, s := range []search{{}, {runner: true}} {
		m, err := t.matches(ctx, s)
		if err != nil {
			continue
		}
		for _, records := range m.records {
			for _, name := range t.opt.Imports.Contents(records, input) {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// content returns BuildKit's content digest of the files that the operation selects from an
// input of the vertex. The parameter input contains the selectors, and result is the result of
// the input. If the result has not been evaluated, content returns errUnknown.
func (t *task) content(ctx context.Context, input cachemap.Input, result *Result) (digest.Digest, error) {
	s, err := result.peek(ctx)
	if err != nil {
		return "", err
	}
	files := contenthash.Tree{Local: isLocal(result.task.v)}
	if s != nil {
		if files.Root, err = s.Tree(); err != nil {
			return "", err
		}
	}
	return t.contents.Sum(ctx, files, input.Content)
}

// mayBeImported reports whether imported caches can have the outputs of the vertex.
// Imported caches contain no outputs of sources.
func (t *task) mayBeImported() bool {
	return t.opt.Imports != nil && t.v.Op.GetSource() == nil && !t.opt.Imports.Empty()
}

// imported reports whether imported caches have all used outputs of the vertex, according to the
// search s.
func (t *task) imported(ctx context.Context, s search) bool {
	if !t.mayBeImported() {
		return false
	}
	m, err := t.matches(ctx, s)
	return err == nil && m.complete(&t.used)
}

// searches returns the searches to make in imported caches, the most exact one first. If a
// search finds the outputs, they are stored under the key l.key.
func (l lookup) searches() []search {
	list := []search{{}, {full: true}}
	if l.key.runner() != "" {
		list = append(list, search{runner: true}, search{full: true, runner: true})
	}
	return list
}

// inImports reports whether imported caches have all used outputs of the vertex. The parameter l is
// the result of the lookup in the local cache.
func (t *task) inImports(ctx context.Context, l lookup) bool {
	return slices.ContainsFunc(l.searches(), func(s search) bool { return t.imported(ctx, s) })
}

// fromImports fetches the outputs from imported caches. It returns false if imported caches
// lack an output that is used, or if fetching fails. In both cases, the caller must run the
// operation. The parameter l is the result of the lookup in the local cache.
func (t *task) fromImports(ctx context.Context, l lookup) (CacheEntry, bool) {
	if !t.mayBeImported() {
		return CacheEntry{}, false
	}
	for _, s := range l.searches() {
		m, err := t.matches(ctx, s)
		if err != nil || !m.complete(&t.used) {
			continue
		}
		t.start()
		if c, err := t.load(ctx, m.results); err == nil {
			return c, true
		}
	}
	return CacheEntry{}, false
}

// load fetches imported results by their digests. Each result is fetched once per job, and
// a failure is reported to [Imports] once. A result without a digest is missing from the entry.
func (t *task) load(ctx context.Context, results []digest.Digest) (c CacheEntry, err error) {
	c.Outputs = make([]*snapshot.Snapshot, len(results))
	for i, r := range results {
		if r == "" {
			if c.missing == nil {
				c.missing = map[int]bool{}
			}
			c.missing[i] = true
			continue
		}
		if c.Outputs[i], err = t.env.load(r).get(ctx, t.work, func(ctx context.Context) (*snapshot.Snapshot, error) {
			s, err := t.opt.Imports.Load(t.withReporter(ctx), r)
			if err != nil && ctx.Err() == nil {
				t.opt.Imports.Failed(t.v, err)
			}
			return s, err
		}); err != nil {
			return c, err
		}
	}
	return c, nil
}
