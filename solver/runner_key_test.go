package solver

import (
	"errors"
	"slices"
	"testing"

	"slipway/solver/runner"
)

// TestRunnerUnknown checks that a step fails if the cache key of its runner cannot be
// computed, unless the cache has a result of a real process.
func TestRunnerUnknown(t *testing.T) {
	g := newTestbed(t)
	unknown := errors.New("no runner")
	without := func(o *Options) { o.Runner = keyedRunner{err: unknown} }
	g.define("a = +1")
	g.define("b = a +2")
	g.define("c = +1 nocache")
	for _, target := range []string{"b", "c"} {
		if _, err := g.solve(target, without); !errors.Is(err, unknown) || len(g.ran) > 0 {
			t.Errorf("building %s: error %v after %v ran, want %v before any step runs", target, err, g.ran, unknown)
		}
	}
	if _, err := g.solve("b", nil); err != nil {
		t.Fatal(err)
	}
	if n, err := g.solve("b", without); n != 3 || err != nil || len(g.ran) > 0 {
		t.Errorf("building a cached step: value %d, %v, and %v ran, want 3 from the cache", n, err, g.ran)
	}
}

// TestRunnerPart checks that only a runner with a cache key adds a part to a cache key, that
// it is the last part, and that adding it does not change the original key.
func TestRunnerPart(t *testing.T) {
	key := Key{Parts: slices.Grow([]Part{{Name: "operation", Digest: "a"}}, 2)}
	for about, r := range map[string]runner.Runner{"no key": &recorder{}, "an empty key": keyedRunner{}} {
		e := &env{opt: Options{Runner: r}}
		d, err := e.runnerKey(t.Context())
		if err != nil || d != "" || key.withRunner(d).Digest() != key.Digest() || key.withRunner(d).runner() != "" {
			t.Errorf("a runner with %s: digest %q, %v, want none and an unchanged key", about, d, err)
		}
	}
	one, err := (&env{opt: Options{Runner: keyedRunner{key: "one"}}}).runnerKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, second := key.withRunner(one), key.withRunner("other")
	if first.runner() != one || second.runner() != "other" || first.Digest() == second.Digest() || first.Digest() == key.Digest() || len(key.Parts) != 1 {
		t.Errorf("keys %v and %v, want the key with different parts", first, second)
	}
	if a, b := exportedWith("a", one), exportedWith("a", "other"); a == "a" || a == b || exportedWith("a", "") != "a" || exportedWith("", one) != "" {
		t.Errorf("exported as %q and %q, want two digests, and no change without a part or a digest", a, b)
	}
}
