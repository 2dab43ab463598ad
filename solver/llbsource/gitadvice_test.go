package llbsource

import (
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/fakegit"
	"slipway/solver/track"
)

// TestGitAdvice checks that a checkout with .git explains its detached HEAD if the source asks for
// advice, and only then.
func TestGitAdvice(t *testing.T) {
	r := fakegit.Start(t).Repository(t, "/r.git")
	commit := r.Commit("refs/heads/main", committed, map[string]fakegit.File{"d/f": {Data: "f"}})
	for _, tc := range []struct {
		fragment string
		attrs    []string
		want     string
	}{
		{"#main", []string{pb.AttrKeepGitDir, "true", pb.AttrGitAdvice, "true"}, "HEAD in .git is the commit " + commit + ", not a branch (detached HEAD). "},
		{"#main", []string{pb.AttrKeepGitDir, "true"}, ""},
		{"#main", []string{pb.AttrGitAdvice, "true"}, ""},
		{"#main:d", []string{pb.AttrKeepGitDir, "true", pb.AttrGitAdvice, "true"}, ""},
	} {
		s := newSources(t)
		src, err := s.Open(t.Context(), gitOp(r.URL, tc.fragment, tc.attrs...), nil)
		if err != nil {
			t.Fatal(err)
		}
		var logged string
		ctx := track.WithLog(t.Context(), func(m string) { logged += m })
		if _, err := src.Fetch(ctx); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(logged, tc.want) || tc.want == "" && logged != "" {
			t.Errorf("%s %q: message %q, want %q", tc.fragment, tc.attrs, logged, tc.want)
		}
	}
}
