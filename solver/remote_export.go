package solver

import (
	"context"

	"github.com/opencontainers/go-digest"

	"slipway/solver/cachemap"
	"slipway/solver/snapshot"
)

// ChainRecord is one record of an exported cache: the cache key of an output, links to
// the records of its inputs, and the output if it is available.
type ChainRecord struct {
	Name   digest.Digest // the cache key, computed by package cachemap
	Inputs [][]ChainLink // per input, the records that match it: at least one
	// Result is the output. If it is nil, Imported is the digest of the output in
	// [Imports]. If both are unset, the output is not available, or it is a source, which
	// later builds fetch again.
	Result   *snapshot.Snapshot
	Imported digest.Digest
}

// ChainLink is a link from a [ChainRecord] to the record of one of its inputs.
type ChainLink struct {
	Selector digest.Digest // selector of the input; "" selects all of it
	Record   int           // index of the record in the list
}

// Chains returns the records to export for results and their transitive inputs. Each
// record comes after the records of its inputs. If other builds cannot compute a cache
// key for an output, the output has no record. A local directory, for example, has no
// record itself, only a record for the content of the files selected from it.
func (j *Job) Chains(ctx context.Context, results []*Result) ([]ChainRecord, error) {
	c := &chains{job: j, indexes: map[chainKey]int{}, contents: map[digest.Digest]int{}}
	for _, r := range results {
		if r == nil {
			continue
		}
		if _, err := c.add(ctx, r); err != nil {
			return nil, err
		}
	}
	return c.records, nil
}

// chainKey identifies an output of a vertex.
type chainKey struct {
	task  *task
	index int
}

// chains collects the records that [Job.Chains] returns.
type chains struct {
	job      *Job
	records  []ChainRecord
	indexes  map[chainKey]int      // indexes of the records of outputs; -1 if an output has no record
	contents map[digest.Digest]int // indexes of the records of selected files
}

// add adds the records of a result and its transitive inputs. It returns the index of the
// record of the result, or -1 if the result has no record.
func (c *chains) add(ctx context.Context, r *Result) (int, error) {
	key := chainKey{r.task, r.index}
	if i, ok := c.indexes[key]; ok {
		return i, nil
	}
	c.indexes[key] = -1
	m, err := r.task.describe(ctx)
	if err != nil {
		return -1, err
	}
	names := m.Exported
	rec := ChainRecord{Name: cachemap.Output(exportedWith(names.Digest, r.task.key(ctx).runner()), r.index)}
	complete := names.Digest != ""
	for i := range r.task.in {
		links, err := c.links(ctx, r.task, names.Inputs[i], i)
		if err != nil {
			return -1, err
		}
		complete = complete && len(links) > 0
		rec.Inputs = append(rec.Inputs, links)
	}
	if !complete {
		return -1, nil
	}
	if len(rec.Inputs) > 0 {
		rec.Result, rec.Imported = r.task.available(ctx, r.index)
	}
	c.records = append(c.records, rec)
	c.indexes[key] = len(c.records) - 1
	return c.indexes[key], nil
}

// links adds the records for an input of the task t: the record of the input itself, and
// a record for the files that t selects from it. It returns links to these records. The
// parameter input is the index of the input, and entry describes it in the cache map of t.
func (c *chains) links(ctx context.Context, t *task, entry cachemap.Input, input int) ([]ChainLink, error) {
	result := t.in[input]
	own, err := c.add(ctx, result)
	if err != nil {
		return nil, err
	}
	var links []ChainLink
	if own >= 0 {
		links = append(links, ChainLink{Selector: entry.Selector, Record: own})
	}
	if !entry.ByContent {
		return links, nil
	}
	d, err := t.content(ctx, entry, result)
	if err == nil {
		return append(links, c.content(cachemap.Output(d, cachemap.Content))), nil
	}
	// The input was not evaluated, because its dependent was a cache hit. Only imported caches may
	// know its content.
	for _, name := range t.importedContents(ctx, input) {
		links = append(links, c.content(name))
	}
	return links, ctx.Err()
}

// content adds a record for the content of selected files, whose cache key is name. It returns a
// link to the record.
func (c *chains) content(name digest.Digest) ChainLink {
	if _, ok := c.contents[name]; !ok {
		c.records = append(c.records, ChainRecord{Name: name})
		c.contents[name] = len(c.records) - 1
	}
	return ChainLink{Record: c.contents[name]}
}

// available returns the output with the given index if it is in the local cache or was
// evaluated. Otherwise, it returns the digest of the output in imported caches, or ""
// if they do not have the output.
func (t *task) available(ctx context.Context, index int) (*snapshot.Snapshot, digest.Digest) {
	if s, err := (&Result{t, index}).peek(ctx); err == nil {
		return s, ""
	}
	if t.mayBeImported() {
		if m, err := t.matches(ctx, search{runner: t.key(ctx).runner() != ""}); err == nil && index < len(m.results) {
			return nil, m.results[index]
		}
	}
	return nil, ""
}

// key returns the cache key of the outputs without running any operation. If the key is
// unknown, it returns a key without parts.
func (t *task) key(ctx context.Context) Key {
	l, ok := t.lookupResult.peek()
	if !ok {
		l, _ = t.probe(ctx)
	}
	return l.key
}
