package solver

import "testing"

// TestPrefetch: a result is prefetched only if no cache has it. An imported result is not
// fetched, because it may turn out not to be needed.
func TestPrefetch(t *testing.T) {
	for _, tc := range []struct {
		about, before, ran, loaded string
	}{
		{"in no cache", "", "s b", ""},
		{"in the own cache", "build b: s b", "", ""},
		{"in an import", "build b: s b\nimport\nfresh", "", ""},
	} {
		t.Run(tc.about, func(t *testing.T) {
			s := &script{g: newPlayground(t)}
			s.lines("s = remote +1\nb = s +2\n" + tc.before)
			b := s.g.start(t.Context(), "b", nil)
			graph, err := Load(s.g.definition("b"))
			if err != nil {
				t.Fatal(err)
			}
			b.Result(graph).task.prefetch(t.Context())
			b.Wait()
			s.equal("running", s.g.ran, tc.ran)
			if s.g.imports != nil {
				s.equal("fetching", s.g.imports.loaded, tc.loaded)
			}
		})
	}
}
