package solver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// predict returns the predicted states of the vertices that the target needs, by name.
func (g *testbed) predict(target string) map[string]PredictedState {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), testTimeout)
	b := g.start(ctx, target, nil)
	defer b.Wait()
	defer cancel()
	graph, err := Load(g.definition(target))
	if err != nil {
		g.t.Fatal(err)
	}
	b.Result(graph)
	p, err := b.Predict(ctx, graph)
	if err != nil {
		g.t.Fatal(err)
	}
	states := map[string]PredictedState{}
	for _, v := range graph.Vertices {
		states[v.Name()] = p.Vertices[v.Digest].State
	}
	return states
}

// checkPrediction checks that the last build of the target ran what was predicted. If it imported a
// cache, results that cannot be fetched may have changed what ran.
func (g *testbed) checkPrediction(known map[string]PredictedState, target string) {
	g.t.Helper()
	if g.imports != nil {
		return
	}
	for name, state := range known {
		if ran := slices.Contains(g.ran, name); ran && state == PredictedHit {
			g.t.Errorf("%s ran, and a hit was predicted", name)
		}
	}
	g.checkRan(known, target)
}

// checkRan checks that a vertex ran if this was predicted, and then its inputs.
func (g *testbed) checkRan(known map[string]PredictedState, name string) {
	g.t.Helper()
	y := g.vertices[name]
	if s := known[name]; s != PredictedMiss && s != PredictedAlways || y.source != "" {
		return
	}
	if !slices.Contains(g.ran, name) {
		g.t.Errorf("%s did not run, and state %d was predicted", name, known[name])
	}
	for _, in := range y.inputs {
		g.checkRan(known, in.name)
	}
}

// TestPredict checks the predicted states of vertices. Each test case runs the lines of a script, in
// the format of [TestSchedule], and then predicts the build of the vertex t.
func TestPredict(t *testing.T) {
	for _, tc := range []struct{ about, script, want string }{
		{"nothing is cached", "a = +1\nt = a +2", "a:miss t:miss"},
		{"everything is cached", "a = +1\nt = a +2\nbuild t: a t", "a:hit t:hit"},
		{"an operation has changed", "a = +1\nb = a +2\nt = b +3\nbuild t: a b t\nb = a +4", "a:hit b:miss t:miss"},
		{"the content of an operation that runs", "a = +1\nt = a* +2", "a:miss t:unknown"},
		{"a dependent of an unknown one", "a = +1\nb = a* +2\nt = b +3", "a:miss b:unknown t:unknown"},
		{"the content of a cached operation", "a = +1\nt = a* +2\nbuild t: a t\nt = a* +3", "a:hit t:miss"},
		{"the content of a local directory", "l = local +1\nt = l* +2\nbuild t: l t\nl = local +3", "l:miss t:miss"},
		{"an operation that ignores the cache", "a = nocache +1\nt = a +2\nbuild t: a t", "a:always t:miss"},
		{"the content of one that ignores the cache", "a = nocache +1\nt = a* +2\nbuild t: a t", "a:always t:unknown"},
		{"a lost result whose dependent is cached", "a = +1\nt = a +2\nbuild t: a t\nforget 1", "a:hit t:hit"},
		{"an imported cache", "a = +1\nt = a +2\nbuild t: a t\nimport\nfresh", "a:hit t:hit"},
	} {
		t.Run(tc.about, func(t *testing.T) {
			s := &script{g: newTestbed(t)}
			s.lines(tc.script)
			known := s.g.predict("t")
			var got []string
			for name, state := range known {
				got = append(got, fmt.Sprintf("%s:%s", name, [...]string{"unknown", "hit", "miss", "always"}[state]))
			}
			slices.Sort(got)
			if text := strings.Join(got, " "); text != tc.want {
				t.Errorf("got %s, want %s", text, tc.want)
			}
		})
	}
}

// TestPredictContent checks that the digest of the files that a vertex reads from a local directory
// covers their content, and nothing else.
func TestPredictContent(t *testing.T) {
	content := func(lines ...string) digest.Digest {
		g := newTestbed(t)
		for _, line := range lines {
			g.define(line)
		}
		ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
		b := g.start(ctx, "t", nil)
		defer b.Wait()
		defer cancel()
		graph, err := Load(g.definition("t"))
		if err != nil {
			t.Fatal(err)
		}
		b.Result(graph)
		p, err := b.Predict(ctx, graph)
		if err != nil {
			t.Fatal(err)
		}
		return p.Vertices[graph.Root.Vertex.Digest].Content
	}
	base := content("l = local +1", "a = +1", "t = a l* +2")
	if other := content("l = local +1", "a = +7", "t = a l* +5"); base == "" || other != base {
		t.Errorf("another operation: got %q, want %q", other, base)
	}
	if other := content("l = local +3", "a = +1", "t = a l* +2"); other == base {
		t.Error("other files have the same digest")
	}
	if other := content("a = +1", "t = a* +2"); other != "" {
		t.Errorf("no local directory: got %q", other)
	}
}
