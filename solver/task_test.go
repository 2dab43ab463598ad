package solver

import "testing"

// TestPrefetch checks that prefetch evaluates a result only if no cache has it. It must
// not fetch a result from an imported cache, because the build may not need it.
func TestPrefetch(t *testing.T) {
	for _, tc := range []struct {
		about, before, ran, loaded string
	}{
		{"in no cache", "", "s b", ""},
		{"in the local cache", "build b: s b", "", ""},
		{"in an import", "build b: s b\nimport\nfresh", "", ""},
	} {
		t.Run(tc.about, func(t *testing.T) {
			s := &script{g: newTestbed(t)}
			s.lines("s = remote +1\nb = s +2\n" + tc.before)
			b := s.g.start(t.Context(), "b", nil)
			graph, err := Load(s.g.definition("b"))
			if err != nil {
				t.Fatal(err)
			}
			b.Result(graph).task.prefetch(t.Context())
			b.Wait()
			s.equal("vertices that ran", s.g.ran, tc.ran)
			if s.g.imports != nil {
				s.equal("values fetched", s.g.imports.loaded, tc.loaded)
			}
		})
	}
}
