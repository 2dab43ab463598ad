package solver

import (
	"context"

	"github.com/opencontainers/go-digest"

	"slipway/solver/cachemap"
	"slipway/solver/snapshot"
)

// ChainRecord is what a cache that is exported has of an output of an operation:
// what it is called, and where its inputs are. Records come after those of their
// inputs.
type ChainRecord struct {
	Name   digest.Digest
	Inputs [][]ChainLink // each has at least one link
	// Result is what the operation made, or Imported its name in [Imports]; with
	// neither it is not known. What sources bring can be had from elsewhere.
	Result   *snapshot.Snapshot
	Imported digest.Digest
}

// ChainLink is what an input of a record may be.
type ChainLink struct {
	Selector digest.Digest
	Record   int
}

// Chains returns the records of all that results depend on, as far as it can be
// found again: files of the client can by their content alone.
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
	indexes  map[chainKey]int      // records of outputs; -1 is none
	contents map[digest.Digest]int // records of contents
}

// add returns the record of a result; -1 if there can be none.
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
		// Its files were not needed, as what depends on them was cached. Nor can a
		// copy be found by files that are not there.
		return links, ctx.Err()
	}
	name := cachemap.Output(d, cachemap.Content)
	if _, ok := c.contents[name]; !ok {
		c.records = append(c.records, ChainRecord{Name: name})
		c.contents[name] = len(c.records) - 1
	}
	return append(links, ChainLink{Record: c.contents[name]}), nil
}

// available returns an output if it exists already, or else its name in imported
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
