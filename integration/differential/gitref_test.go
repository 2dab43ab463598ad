package differential

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"

	"slipway/gitref"
	"slipway/internal/slowtest"
)

// TestGitRefRandom checks that our parser and upstream's return the same result or error
// for random Git references, most of which are valid.
func TestGitRefRandom(t *testing.T) {
	slowtest.Skip(t, "compares thousands of inputs")
	r := rand.New(rand.NewPCG(5, 6))
	git := 0
	for range 200_000 {
		if compareGitRef(t, randomGitRef(r)) {
			git++
		}
		if t.Failed() {
			return
		}
	}
	if git < 50_000 {
		t.Errorf("only %d sources were git sources", git)
	}
}

// TestGitRefWords checks that our parser and upstream's return the same result or error for
// random sequences of URL parts.
func TestGitRefWords(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	pieces := []string{
		"github.com/", "git@", "http://", "https://", "ssh://", "git://", "HTTPS://", "ftp://", "://", "git+ssh://", "./", "../",
		"a", "B", "host", ":", "@", "/", "//", ".git", ".", "..", "#", "?", "&", "=", ";", "%", "%2F", "%zz", "%00", " ", "\n", "é", "\xff",
		"ref", "tag", "subdir", "submodules", "[::1]", "-", "_", "\\", "+", "\"",
	}
	n := 200_000
	if testing.Short() {
		n /= 10
	}
	for range n {
		var s strings.Builder
		for n := 1 + r.IntN(8); n > 0; n-- {
			s.WriteString(pieces[r.IntN(len(pieces))])
		}
		compareGitRef(t, s.String())
		if t.Failed() {
			return
		}
	}
}

func randomGitRef(r *rand.Rand) string {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var s strings.Builder
	s.WriteString(pick("https://", "http://", "HTTPS://", "git://", "ssh://", "github.com/", "git@", "me_1@", "ftp://", "", "./", "../"))
	s.WriteString(pick("example.com/", "example.com:", "user:pw@h.com/", "u@h:22/", "h/", "a/b", "", ":", "~/", "[::1]:80/"))
	s.WriteString(pick("", "moby/", "a/../", "%2E/", "é/", "/"))
	s.WriteString(pick("repo.git", "repo", "repo.git/", ".git", "repo.git%20", "r p.git", "x.GIT", "repo%2egit"))
	if r.IntN(2) == 0 {
		s.WriteString("?")
		for n := r.IntN(4); n > 0; n-- {
			s.WriteString(pick("ref", "tag", "branch", "subdir", "checksum", "commit", "keep-git-dir", "submodules", "mtime", "fetch-by-commit", "other", ""))
			s.WriteString(pick("=", "=", "=", "=", "", "%3D"))
			s.WriteString(pick("v1", "v1", "refs/tags/v1", "refs/heads/v1", "a/b", "/a", "true", "0", "commit", "checkout", "", "T", "%zz", "a;b", "a+b%20c", "é"))
			if n > 1 {
				s.WriteString(pick("&", "&", ";"))
			}
		}
	}
	if r.IntN(2) == 0 {
		s.WriteString("#" + pick("v1", "refs/tags/v1", "refs/heads/v1", "", "a%20b", "%", "a#b", "a?b"))
		s.WriteString(pick("", ":a/b", ":/a", ":../x", ":a:b", ":", ":a/./b//"))
	}
	return s.String()
}

// compareGitRef checks that our parser and upstream's return the same result or error for
// the source s. It reports whether s is a Git reference. Upstream iterates over query
// parameters in random order, so our result must equal one of upstream's.
func compareGitRef(t *testing.T, s string) bool {
	t.Helper()
	got, gotGit, gotErr := gitref.Parse(s)
	var seen []string
	for range 200 {
		want, wantGit, wantErr := dfgitutil.ParseGitRef(s)
		if gotGit != wantGit || (gotErr == nil) != (wantErr == nil) {
			t.Errorf("%q: got git %t, error %v, want %t, %v", s, gotGit, gotErr, wantGit, wantErr)
			return gotGit
		}
		if !gotGit {
			return false
		}
		diff := faultText(gotErr) + " vs " + faultText(wantErr)
		if faultText(gotErr) == faultText(wantErr) {
			diff = cmp.Diff(gitRefOf(want), got)
		}
		if diff == "" {
			return gotGit
		}
		seen = append(seen, diff)
		if strings.Count(s, "=") < 2 && strings.Count(s, "&") == 0 {
			break
		}
	}
	slices.Sort(seen)
	t.Errorf("%q:\n%s", s, strings.Join(slices.Compact(seen), "\n"))
	return gotGit
}

// gitRefOf converts a reference from upstream's type to ours.
func gitRefOf(w *dfgitutil.GitRef) *gitref.Ref {
	if w == nil {
		return nil
	}
	return &gitref.Ref{
		Remote: w.Remote, ShortName: w.ShortName, Ref: w.Ref, Checksum: w.Checksum, SubDir: w.SubDir,
		KeepGitDir: w.KeepGitDir, Submodules: w.Submodules, MTime: w.MTime, FetchByCommit: w.FetchByCommit,
		IndistinguishableFromLocal: w.IndistinguishableFromLocal, UnencryptedTCP: w.UnencryptedTCP,
	}
}
