package solver

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"slipway/solver/runner"
)

// RunnerPart is the name of the part of a cache key that identifies the runner. Only two kinds
// of results have this part in their keys: results of RUN steps whose runner has a cache key
// (see [runner.Keyed]), and results imported from caches that builds with such a runner have
// exported. Other operations may use such a result as an input. Their keys cover the runner
// indirectly, through the ID of this input.
//
// A lookup with this part is followed by a lookup without it, because results of real
// processes are correct for every runner.
const RunnerPart = "runner"

// runnerKey returns the digest that identifies the runner in cache keys, or "" if cache keys
// need not identify it.
func (e *env) runnerKey(ctx context.Context) (digest.Digest, error) {
	k, ok := e.opt.Runner.(runner.Keyed)
	if !ok {
		return "", nil
	}
	s, err := k.CacheKey(ctx)
	if s == "" || err != nil {
		return "", err
	}
	return digest.FromString(s), nil
}

// runnerKey returns the digest that identifies the runner in the cache keys of the vertex. It
// returns "" for a vertex that is not a RUN step, with one exception: the build imports
// caches, and a transitive input of the vertex is a RUN step. In this case, an imported cache
// may contain the outputs of the vertex together with results of RUN steps.
func (t *task) runnerKey(ctx context.Context) (digest.Digest, error) {
	if t.v.Op.GetExec() == nil && (t.opt.Imports == nil || !t.hasExec) {
		return "", nil
	}
	return t.env.runnerKey(ctx)
}

// runnerFailed makes the vertex fail with err, an error from runnerKey: it sends the events
// Started and Done, and returns err as an [Error] of the vertex. If err is nil, it does
// nothing and returns nil.
func (t *task) runnerFailed(err error) error {
	if err != nil {
		t.start()
		err = t.failed(err)
		t.end(Done, err)
	}
	return err
}

// withRunner returns k with an additional part for the runner. The parameter d is the digest
// from runnerKey. If d is "", withRunner returns k.
func (k Key) withRunner(d digest.Digest) Key {
	if d == "" {
		return k
	}
	return Key{Parts: append(slices.Clip(k.Parts), Part{Name: RunnerPart, Digest: d, Input: -1})}
}

// runner returns the digest of the part that identifies the runner, or "" if k has no such
// part.
func (k Key) runner() digest.Digest {
	for _, p := range k.Parts {
		if p.Name == RunnerPart {
			return p.Digest
		}
	}
	return ""
}

// exportedWith returns the digest that an operation has in exported caches that contain
// results of a certain runner. The parameter operation is the digest of the operation in
// BuildKit's caches, and d is the digest from runnerKey. If one of them is "", exportedWith
// returns operation.
func exportedWith(operation, d digest.Digest) digest.Digest {
	if operation == "" || d == "" {
		return operation
	}
	return digest.FromString(string(operation) + " " + string(d))
}
