package llbsource

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/fakegit"
	"slipway/internal/testtree"
	"slipway/solver/tree"
)

// openCheckout fetches a source with its .git directory, writes it to disk and opens it.
func openCheckout(t *testing.T, s *Sources, op *pb.SourceOp) (*git.Repository, *tree.Node) {
	t.Helper()
	_, root := fetched(t, s, op)
	dir := t.TempDir()
	if err := tree.WriteDir(t.Context(), dir, root, s.Store, tree.HostOptions{}); err != nil {
		t.Fatal(err)
	}
	repo, err := git.PlainOpen(dir)
	if err != nil {
		t.Fatal(err)
	}
	return repo, root
}

// TestGitDir checks that a checkout with .git is a repository whose only commit is HEAD, with
// unchanged files. Few objects are in a file each, many in a pack. Another checkout of the same
// commit must have the same bytes.
func TestGitDir(t *testing.T) {
	s := newSources(t)
	r := fakegit.Start(t).Repository(t, "/r.git")
	few := map[string]fakegit.File{
		"run": {Mode: filemode.Executable, Data: strings.Repeat("long ", 100_000)}, "dir/sub/x": {Data: "x"}, "dir.a": {}, "dir0": {Data: "x"},
		"link": {Mode: filemode.Symlink, Data: "run"},
	}
	many := map[string]fakegit.File{}
	for i := range 120 {
		many[fmt.Sprintf("d%d/f%d", i%10, i)] = fakegit.File{Data: fmt.Sprint(i)}
	}
	commit := r.Commit("refs/heads/main", committed, few)
	tag := r.Tag("v1", commit)
	packed := r.Commit("refs/heads/many", committed, many)
	for _, tc := range []struct {
		fragment, commit string
		refs             map[string]string
	}{
		{"", commit, map[string]string{"refs/heads/main": commit, "refs/tags/main": commit}},
		{"#refs/heads/main", commit, map[string]string{"refs/heads/main": commit, "refs/tags/refs/heads/main": commit}},
		{"#v1", commit, map[string]string{"refs/tags/v1": tag}},
		{"#" + commit, commit, map[string]string{}},
		{"#many", packed, map[string]string{"refs/heads/many": packed, "refs/tags/many": packed}},
	} {
		op := gitOp(r.URL, tc.fragment, pb.AttrKeepGitDir, "true", pb.AttrGitMTime, "commit")
		repo, root := openCheckout(t, s, op)
		refs := map[string]string{}
		iter := testtree.Must(repo.References())
		if err := iter.ForEach(func(ref *plumbing.Reference) error {
			refs[ref.Name().String()] = ref.Hash().String()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if head := refs["HEAD"]; head != tc.commit {
			t.Errorf("%q: HEAD is %s, want %s", tc.fragment, head, tc.commit)
		}
		if delete(refs, "HEAD"); fmt.Sprint(refs) != fmt.Sprint(tc.refs) {
			t.Errorf("%q: refs %v, want %v", tc.fragment, refs, tc.refs)
		}
		if status := testtree.Must(testtree.Must(repo.Worktree()).Status()); !status.IsClean() {
			t.Errorf("%q: changed files %v", tc.fragment, status)
		}
		var commits []string
		if err := testtree.Must(repo.Log(&git.LogOptions{})).ForEach(func(c *object.Commit) error {
			commits = append(commits, c.Hash.String())
			return nil
		}); err != nil || !slices.Equal(commits, []string{tc.commit}) {
			t.Errorf("%q: history %q, %v, want only the commit", tc.fragment, commits, err)
		}
		again := newSources(t)
		if _, other := fetched(t, again, op); other.Digest() != root.Digest() {
			t.Errorf("%q: another checkout differs: %q, want %q", tc.fragment, list(t, again, other, ""), list(t, s, root, ""))
		}
	}
}

// TestGitDirSubmodules checks the links between the repositories of submodules, and that names
// of submodules cannot lead outside .git/modules or into another repository.
func TestGitDirSubmodules(t *testing.T) {
	s := newSources(t)
	server := fakegit.Start(t)
	inner, middle, outer := server.Repository(t, "/x/inner.git"), server.Repository(t, "/x/middle.git"), server.Repository(t, "/outer.git")
	in := inner.Commit("refs/heads/main", committed, one("inner"))
	mid := middle.Commit("refs/heads/main", committed, map[string]fakegit.File{
		".gitmodules": {Data: "[submodule \"i\"]\n\tpath = deep/i\n\turl = ../inner.git\n"},
		"deep/i":      {Mode: filemode.Submodule, Data: in},
	})
	section := func(name, path, url string) string {
		return fmt.Sprintf("[submodule %q]\n\tpath = %s\n\turl = %s\n", name, path, url)
	}
	outer.Commit("refs/heads/main", committed, map[string]fakegit.File{
		".gitmodules": {Data: section("a/m", "m", middle.URL) + section("n", "n", inner.URL)},
		"m":           {Mode: filemode.Submodule, Data: mid}, "n": {Mode: filemode.Submodule, Data: in},
	})
	got, _ := fetched(t, s, gitOp(outer.URL, "#main", pb.AttrKeepGitDir, "true"))
	for _, want := range []string{
		"m/.git file 644 gitdir: ../.git/modules/a/m\n",
		"m/deep/i/.git file 644 gitdir: ../../../.git/modules/a/m/modules/i\n",
		"m/deep/i/f file 644 inner",
		"n/.git file 644 gitdir: ../.git/modules/n\n",
		".git/modules/a/m/HEAD file 644 " + mid + "\n",
		".git/modules/a/m/modules/i/HEAD file 644 " + in + "\n",
		".git/modules/n/HEAD file 644 " + in + "\n",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	for i, tc := range []struct{ first, second, want string }{
		{"../../x", "b", "no URL found in .gitmodules"}, // go-git ignores the section
		{"a//x", "b", `invalid submodule name "a//x" in .gitmodules`},
		{"a", "a/objects", `the repository of submodule "a/objects" would be in the one of another submodule`},
		{"a/objects", "a", `the repository of submodule "a" would be in the one of another submodule`},
	} {
		ref := fmt.Sprint("bad", i)
		outer.Commit("refs/heads/"+ref, committed, map[string]fakegit.File{
			".gitmodules": {Data: section(tc.first, "m", inner.URL) + section(tc.second, "n", inner.URL)},
			"m":           {Mode: filemode.Submodule, Data: in}, "n": {Mode: filemode.Submodule, Data: in},
		})
		src, err := s.Open(t.Context(), gitOp(outer.URL, "#"+ref, pb.AttrKeepGitDir, "true"), nil)
		if err == nil {
			_, err = src.Fetch(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("submodules %q and %q: error %v, want %s", tc.first, tc.second, err, tc.want)
		}
	}
}

// TestGitDirRef checks that a ref with an invalid name, which could be the path of another file
// in .git, is refused.
func TestGitDirRef(t *testing.T) {
	s := newSources(t)
	r := fakegit.Start(t).Repository(t, "/r.git")
	const ref = "refs/heads/../../config"
	r.Commit(ref, committed, one("x"))
	src, err := s.Open(t.Context(), gitOp(r.URL, "#"+ref, pb.AttrKeepGitDir, "true"), nil)
	if err == nil {
		_, err = src.Fetch(t.Context())
	}
	if want := fmt.Sprintf("invalid git ref %q", ref); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}
