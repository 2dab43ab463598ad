package solver

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"slipway/solver/runner"
)

// RunnerPart is the name of the [Part] of a cache key that identifies the runner. Only keys
// of results that the runner may have changed have it: of RUN steps whose runner returns a
// key (see [runner.Keyed]), and of results imported from caches of such builds. Keys of
// other results that are based on them cover them through the IDs of their inputs.
//
// A lookup also uses the key without this part: results of real processes are correct for
// every runner.
const RunnerPart = "runner"

// runnerKey returns the digest for the part of cache keys that identifies the runner, or ""
// if keys do not need it.
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

// runnerKey returns the result of env.runnerKey, or "" if the vertex neither is a RUN step
// nor can be imported with results of RUN steps.
func (t *task) runnerKey(ctx context.Context) (digest.Digest, error) {
	if t.v.Op.GetExec() == nil && (t.opt.Imports == nil || !t.hasExec) {
		return "", nil
	}
	return t.env.runnerKey(ctx)
}

// runnerFailed reports err, an error of runnerKey, as the failure of the vertex. If err is
// nil, it does nothing and returns nil.
func (t *task) runnerFailed(err error) error {
	if err != nil {
		t.start()
		err = t.failed(err)
		t.end(Done, err)
	}
	return err
}

// withRunner returns k with a part for the digest d, which runnerKey has returned. If d is
// "", it returns k.
func (k Key) withRunner(d digest.Digest) Key {
	if d == "" {
		return k
	}
	return Key{Parts: append(slices.Clip(k.Parts), Part{Name: RunnerPart, Digest: d, Input: -1})}
}

// runner returns the digest of the part for the runner, or "" if k does not have the part.
func (k Key) runner() digest.Digest {
	for _, p := range k.Parts {
		if p.Name == RunnerPart {
			return p.Digest
		}
	}
	return ""
}

// exportedWith returns the digest under which caches are exported that contain results of a
// certain runner. The parameter operation is the digest of an operation in BuildKit's
// caches. If d, the digest for the runner, or operation is "", exportedWith returns
// operation.
func exportedWith(operation, d digest.Digest) digest.Digest {
	if operation == "" || d == "" {
		return operation
	}
	return digest.FromString(string(operation) + " " + string(d))
}
