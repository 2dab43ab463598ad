package llbsource

import (
	"os"
	"strings"
	"testing"

	"slipway/internal/fakegit"
)

// dumbServer returns a server with a repository that has two commits: v1 is in a pack, and the
// objects of v2 have files of their own.
func dumbServer(t *testing.T) (d *fakegit.Dumb, first, second string) {
	t.Helper()
	r := fakegit.Start(t).Repository(t, "/r.git")
	first = r.Commit("refs/heads/main", committed, map[string]fakegit.File{"d/f": {Data: "first"}, "same": {Data: "same"}})
	r.Tag("v1", first)
	d = r.Dumb(t)
	second = r.Commit("refs/heads/main", committed, map[string]fakegit.File{"d/f": {Data: "second"}, "same": {Data: "same"}})
	r.Tag("v2", second)
	return d, first, second
}

// TestGitDumb fetches commits from a server that serves the files of a repository.
func TestGitDumb(t *testing.T) {
	d, first, second := dumbServer(t)
	for fragment, want := range map[string]string{"": "second", "#v2": "second", "#v1": "first", "#" + first: "first", "#" + second: "second", "#main:d": "second"} {
		s := newSources(t)
		g, err := s.git(t.Context(), gitOp(d.URL, fragment))
		if err != nil {
			t.Errorf("%q: %v", fragment, err)
			continue
		}
		snap, err := g.Fetch(t.Context())
		if err != nil {
			t.Errorf("%q: %v", fragment, err)
			continue
		}
		root, err := snap.Tree()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(list(t, s, root, ""), "\n"); !strings.Contains(got, want) {
			t.Errorf("%q: got\n%s\nwant a file with %q", fragment, got, want)
		}
		if left, err := os.ReadDir(s.Temp); err != nil || len(left) != 0 {
			t.Errorf("%q: left %v, %v in the directory for temporary files", fragment, left, err)
		}
	}
}

// TestGitDumbError checks the errors for servers without a complete repository.
func TestGitDumbError(t *testing.T) {
	_, _, commit := dumbServer(t)
	object := "objects/" + commit[:2] + "/" + commit[2:]
	for _, c := range []struct{ file, content, want string }{
		{"info/refs", "<html>\n", "the server has no git repository at this address"},
		{"info/refs", strings.Repeat("a", 64) + "\trefs/tags/v2\n", "git: "},
		{"info/refs", "", "remote repository is empty"},
		{object, "no object", "object " + commit + ": "},
		{object, "", "object " + commit + ": "},
	} {
		d, _, _ := dumbServer(t)
		d.Files[c.file] = c.content
		s := newSources(t)
		g, err := s.git(t.Context(), gitOp(d.URL, "#v2"))
		if err == nil {
			_, err = g.Fetch(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), "failed to fetch remote "+d.URL) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: got error %v, want %q", c.file, c.content, err, c.want)
		}
	}
}
