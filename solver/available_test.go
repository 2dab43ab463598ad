package solver

import (
	"slices"
	"strings"
	"testing"
)

// TestAvailable checks which outputs are available after a build: outputs that the build evaluated
// or that the cache has. Nothing may run for the others.
func TestAvailable(t *testing.T) {
	for _, tc := range []struct {
		about  string
		before []string // targets of earlier builds
		forget []int    // values that are deleted from the cache after these builds
		want   string
	}{
		{"nothing was cached", nil, nil, "a b c d"},
		{"everything was cached", []string{"d"}, nil, "a b c d"},
		{"the cache has lost outputs", []string{"d"}, []int{1, 3}, "c d"},
		{"the result was built again", []string{"d"}, []int{1, 15}, "b c d"},
	} {
		g := newTestbed(t)
		for _, line := range []string{"l = local +3", "a = +1", "b = a +2", "c = l +4", "d = b c +5"} {
			g.define(line)
		}
		for _, target := range tc.before {
			if _, err := g.solve(target, nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, v := range tc.forget {
			g.forget(v)
		}
		b := g.start(t.Context(), "d", nil)
		graph, err := Load(g.definition("d"))
		if err != nil {
			t.Fatal(err)
		}
		r := b.Result(graph)
		if _, err := r.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		ran := len(g.ran)
		list, err := b.Available(t.Context(), r)
		b.Wait()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, o := range list {
			names = append(names, o.Vertex.Name())
			if got, want := valueOf(o.Snapshot), g.want(o.Vertex.Name(), o.Index); got != want {
				t.Errorf("%s: the output of %s has the value %d, want %d", tc.about, o.Vertex.Name(), got, want)
			}
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != tc.want || len(g.ran) != ran {
			t.Errorf("%s: outputs of %s are available, want %s; %q ran, want nothing", tc.about, got, tc.want, g.ran[ran:])
		}
	}
}
