package solver

import (
	"context"

	"github.com/opencontainers/go-digest"

	"slipway/solver/cachemap"
	"slipway/solver/snapshot"
)

// ChainRecord is one record of an exported cache: the cache key of an output and links to
// the records of its inputs. Records come after the records of their inputs.
type ChainRecord struct {
	Name   digest.Digest
	Inputs [][]ChainLink // each has at least one link
	// Result is the output. If it is nil, Imported is its digest in [Imports]. If neither
	// is set, the output is unknown. Sources have neither, because they can be fetched
	// again.
	Result   *snapshot.Snapshot
	Imported digest.Digest
}

// ChainLink is a link to a record that may be the input of another record.
type ChainLink struct {
	Selector digest.Digest
	Record   int
}

// Chains returns the records of results and their transitive inputs, as far as other
// builds can compute their keys. Local directories have a key only by the content of
// selected files.
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

type chainKey struct {
	task  *task
	index int
}

type chains struct {
	job      *Job
	records  []ChainRecord
	indexes  map[chainKey]int      // records of outputs; -1 if the output has no record
	contents map[digest.Digest]int // records of contents
}

// add returns the index of the record of a result, or -1 if it has no record.
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
	rec := ChainRecord{Name: cachemap.Output(names.Digest, r.index)}
	complete := names.Digest != ""
	for i, in := range r.task.in {
		links, err := c.links(ctx, r.task, names.Inputs[i], in)
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

func (c *chains) links(ctx context.Context, t *task, input cachemap.Input, in *Result) ([]ChainLink, error) {
	i, err := c.add(ctx, in)
	if err != nil {
		return nil, err
	}
	var links []ChainLink
	if i >= 0 {
		links = append(links, ChainLink{Selector: input.Selector, Record: i})
	}
	if !input.ByContent {
		return links, nil
	}
	d, err := t.content(ctx, input, in)
	if err != nil {
		// The input was not evaluated, because its dependent was a cache hit. Its files
		// are unknown, so the content cannot be part of a key.
		return links, ctx.Err()
	}
	name := cachemap.Output(d, cachemap.Content)
	if _, ok := c.contents[name]; !ok {
		c.records = append(c.records, ChainRecord{Name: name})
		c.contents[name] = len(c.records) - 1
	}
	return append(links, ChainLink{Record: c.contents[name]}), nil
}

// available returns an output if it exists already, or else its digest in imported
// caches.
func (t *task) available(ctx context.Context, index int) (*snapshot.Snapshot, digest.Digest) {
	if s, err := (&Result{t, index}).peek(ctx); err == nil {
		return s, ""
	}
	if t.mayBeImported() {
		if m, err := t.matches(ctx, false); err == nil && index < len(m.results) {
			return nil, m.results[index]
		}
	}
	return nil, ""
}
