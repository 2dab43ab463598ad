package solver

import (
	"context"
	"errors"
)

// known is what the cache has of an operation.
type known struct {
	key  Key // without parts if it cannot be told without running something
	outs []*Snapshot
	ok   bool
}

// errUnknown is the error of a result that would have to be made.
var errUnknown = errors.New("not in the cache")

// lookup looks for the outputs in the cache, and runs nothing for it; files of
// the client are read.
func (t *task) lookup(ctx context.Context) known {
	k, err := t.imports.known.get(ctx, t.b, func(ctx context.Context) (known, error) {
		in := make([]*Result, len(t.in))
		for i, r := range t.in {
			in[i] = &Result{task: r.task, index: r.index, known: true}
		}
		key, err := t.op.key(ctx, in)
		if err != nil {
			return known{}, err
		}
		k := known{key: key}
		k.outs, k.ok, err = t.b.opt.Cache.Get(ctx, key.Digest())
		return k, err
	})
	if err != nil {
		return known{}
	}
	return k
}

// knownSnapshot returns the result if it need not be made.
func (r *Result) knownSnapshot(ctx context.Context) (*Snapshot, error) {
	if r.task.isLocal() {
		return (&Result{task: r.task, index: r.index}).Snapshot(ctx)
	}
	k := r.task.lookup(ctx)
	if !k.ok || r.index >= len(k.outs) {
		return nil, errUnknown
	}
	return k.outs[r.index], nil
}

func (t *task) knownKey(ctx context.Context) (Key, error) {
	k := t.lookup(ctx)
	if len(k.key.Parts) == 0 {
		return k.key, errUnknown
	}
	return k.key, nil
}
