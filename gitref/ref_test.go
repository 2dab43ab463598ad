package gitref_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/gitref"
)

// on returns a pointer to true.
func on() *bool {
	b := true
	return &b
}

// off returns a pointer to false.
func off() *bool { return new(bool) }

// repo is the expected Ref.Remote in all tests that check other fields of Ref.
const repo = "https://example.com/a/b.git"

// TestRemote checks the fields Remote and ShortName for each form of a git source.
func TestRemote(t *testing.T) {
	checkParse(t, map[string]gitref.Ref{
		repo:                                  {},
		"https://user:pw@example.com/a/b.git": {Remote: "https://user:pw@example.com/a/b.git"},
		"HTTPS://example.com/a/b.git":         {},
		"http://example.com/a/b.git":          {Remote: "http://example.com/a/b.git", UnencryptedTCP: true},
		"git://example.com/a/b":               {Remote: "git://example.com/a/b", UnencryptedTCP: true},
		"ssh://git@example.com:22/a/b":        {Remote: "ssh://git@example.com:22/a/b"},
		"git@example.com:a/b.git":             {Remote: "git@example.com:a/b.git"},
		"git@example.com:b":                   {Remote: "git@example.com:b", ShortName: "git@example.com:b"},
		"me_1-2@ex-ample.com:~/a/b":           {Remote: "me_1-2@ex-ample.com:~/a/b"},
		"github.com/a/b":                      {Remote: "github.com/a/b", IndistinguishableFromLocal: true},
		"github.com/a/b.git#v1:d":             {Remote: "github.com/a/b.git", Ref: "v1", SubDir: "d", IndistinguishableFromLocal: true},
		"github.com/a/b?tag=v1":               {Remote: "github.com/a/b", Ref: "refs/tags/v1", IndistinguishableFromLocal: true},
		"https://github.com/a/b.git":          {Remote: "https://github.com/a/b.git"},
		repo + "?":                            {Remote: repo + "?", ShortName: "b.git?"},
	})
}

// TestFragment checks the revision and the directory that Parse reads from a fragment.
func TestFragment(t *testing.T) {
	checkParse(t, map[string]gitref.Ref{
		repo + "#":           {},
		repo + "#v1":         {Ref: "v1"},
		repo + "#a/b:c/d":    {Ref: "a/b", SubDir: "c/d"},
		repo + "#:c":         {SubDir: "c"},
		repo + "#:/c/./d//":  {SubDir: "c/d"},
		repo + "#:../../c":   {SubDir: "c"},
		repo + "#v1:c:d":     {Ref: "v1", SubDir: "c:d"},
		repo + "#v%201":      {Ref: "v 1"},
		"git@h:a/b#v%201:c":  {Remote: "git@h:a/b", Ref: "v%201", SubDir: "c"},
		"git@h:a/b#v?1#2":    {Remote: "git@h:a/b", Ref: "v?1#2"},
		"git@h:a/b?ref=%41":  {Remote: "git@h:a/b", Ref: "A"},
		"git@h:a/b?ref=1#1":  {Remote: "git@h:a/b", Ref: "1"},
		"git@h:a/b?":         {Remote: "git@h:a/b"},
		repo + "?%zz&ref=v1": {Ref: "v1"},
	})
}

// TestQuery checks the Ref that Parse returns for the options in a query.
func TestQuery(t *testing.T) {
	checkParse(t, map[string]gitref.Ref{
		repo + "?ref=v1":                       {Ref: "v1"},
		repo + "?ref=v1#v1":                    {Ref: "v1"},
		repo + "?tag=v1":                       {Ref: "refs/tags/v1"},
		repo + "?tag=refs/tags/v1":             {Ref: "refs/tags/v1"},
		repo + "?tag=v1&ref=refs/tags/v1":      {Ref: "refs/tags/v1"},
		repo + "?branch=v1":                    {Ref: "refs/heads/v1"},
		repo + "?branch=v1#refs/heads/v1":      {Ref: "refs/heads/v1"},
		repo + "?subdir=/a/../b":               {SubDir: "/a/../b"},
		repo + "?subdir=a#v1:a":                {Ref: "v1", SubDir: "a"},
		repo + "?checksum=abc":                 {Checksum: "abc"},
		repo + "?commit=abc":                   {Checksum: "abc"},
		repo + "?commit=abc&checksum=def":      {Checksum: "abc"},
		repo + "?keep-git-dir":                 {KeepGitDir: on()},
		repo + "?keep-git-dir=":                {KeepGitDir: on()},
		repo + "?keep-git-dir=1":               {KeepGitDir: on()},
		repo + "?keep-git-dir=false":           {KeepGitDir: off()},
		repo + "?submodules":                   {Submodules: on()},
		repo + "?submodules=F":                 {Submodules: off()},
		repo + "?fetch-by-commit&checksum=abc": {FetchByCommit: true, Checksum: "abc"},
		repo + "?fetch-by-commit=0":            {},
		repo + "?mtime=commit":                 {MTime: "commit"},
		repo + "?mtime=checkout":               {MTime: "checkout"},
	})
}

// checkParse checks that each source parses to the given Ref.
func checkParse(t *testing.T, sources map[string]gitref.Ref) {
	t.Helper()
	for s, want := range sources {
		t.Run(s, func(t *testing.T) {
			if want.Remote == "" {
				want.Remote = repo
			}
			if want.ShortName == "" {
				want.ShortName = "b"
			}
			got, isGit, err := gitref.Parse(s)
			if err != nil || !isGit {
				t.Fatalf("git %t, %v", isGit, err)
			}
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestErrors checks the errors that Parse returns for invalid options in a git source.
func TestErrors(t *testing.T) {
	for options, want := range map[string]string{
		"?ref":                        `query "ref" has no value`,
		"?ref=":                       `query "ref" has no value`,
		"?other":                      `query "other" has no value`,
		"?other=1":                    `unexpected query "other"`,
		"?Ref=v1":                     `unexpected query "Ref"`,
		"?=v1":                        `unexpected query ""`,
		"?ref=v1&ref=v1":              `query "ref" has multiple values`,
		"?submodules&submodules":      `query "submodules" has multiple values`,
		"?ref=v1#v2":                  `ref conflicts: "v2" vs "v1"`,
		"?ref=v1&tag=v1":              `ref conflicts: "v1" vs "refs/tags/v1"`,
		"?ref=v1&branch=v1":           `ref conflicts: "v1" vs "refs/heads/v1"`,
		"?tag=v1#refs/heads/v1":       `ref conflicts: "refs/heads/v1" vs "refs/tags/v1"`,
		"?tag=v1&branch=v1":           `branch conflicts with tag`,
		"?tag=v1&branch=v1#x":         `ref conflicts: "x" vs "refs/tags/v1"`,
		"?subdir=/a#:a":               `subdir conflicts: "a" vs "/a"`,
		"?keep-git-dir=yes":           `invalid keep-git-dir value: "yes"`,
		"?submodules=2":               `invalid submodules value: "2"`,
		"?fetch-by-commit=x":          `invalid fetch-by-commit value: "x"`,
		"?mtime=now":                  `invalid mtime value: "now" (must be "checkout" or "commit")`,
		"?mtime":                      `query "mtime" has no value`,
		"?z=1&mtime=now&submodules=2": `invalid mtime value: "now" (must be "checkout" or "commit")`,
	} {
		t.Run(options, func(t *testing.T) {
			for _, remote := range []string{repo, "git@example.com:b", "github.com/a/b"} {
				ref, isGit, err := gitref.Parse(remote + options)
				if ref != nil || !isGit || err == nil || err.Error() != want || errors.Is(err, gitref.ErrNotGit) {
					t.Errorf("%s: %v, git %t, error %v, want %s", remote, ref, isGit, err, want)
				}
			}
		})
	}
}

// TestNotGit checks that Parse returns ErrNotGit for strings that are not git sources.
func TestNotGit(t *testing.T) {
	for _, s := range []string{
		"", ".", "/", "a", "a/b.git", "./a.git", "../a.git", "./git@h:a", ".git", "/a/b.git",
		"github.com", "github.com:a/b", "GitHub.com/a/b", "github.com/%zz", "custom.xyz/a/b.git",
		"https://example.com", "https://example.com/", "https://example.com/b", "https://example.com/b.git/",
		"https://example.com/b.git.tar", "https://example.com/b.GIT", "https://example.com/b?x=.git", "https://example.com/b#.git",
		"https://example.com/%zz.git", "http://[::1/b.git", "http://github.com/a/b.git:#branch", "http://h:port/b.git",
		"ftp://example.com/b.git", "file:///b.git", "git+ssh://h/b.git", "ssh:/h/b.git", "://h/b.git",
		"git@host", "git@host/a:b", "git@ho st:b", "g.it@host:b", "@host:b", "git@:b", "git@[::1]:b", "git@h:a\nb",
		"git@h:a?ref=%zz", "git@h:a?a;b", "a@b@c:d",
	} {
		ref, isGit, err := gitref.Parse(s)
		if ref != nil || isGit || !errors.Is(err, gitref.ErrNotGit) {
			t.Errorf("%q: %v, git %t, %v", s, ref, isGit, err)
		}
	}
}

// TestDeterministicError checks that Parse always returns the same error for a query
// with several errors, regardless of map order.
func TestDeterministicError(t *testing.T) {
	for range 100 {
		_, _, err := gitref.Parse("git@h:b?x=1&y=2&z=3&mtime=4&ref&tag=1&tag=2")
		if err == nil || err.Error() != `invalid mtime value: "4" (must be "checkout" or "commit")` {
			t.Fatal(err)
		}
	}
}

// FuzzParse checks the result of Parse for any string. It must be a Ref, an error about
// the options, or ErrNotGit. The remote of the Ref must itself be a git source without
// options.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		ref, isGit, err := gitref.Parse(s)
		switch {
		case errors.Is(err, gitref.ErrNotGit):
			if isGit || ref != nil {
				t.Fatalf("%q: git %t, %v, %v", s, isGit, ref, err)
			}
			return
		case err != nil:
			if !isGit || ref != nil {
				t.Fatalf("%q: git %t, %v, %v", s, isGit, ref, err)
			}
			return
		case !isGit:
			t.Fatalf("%q: not a git source, but no error", s)
		}
		if strings.Contains(ref.Remote, "#") || strings.Contains(ref.ShortName, "/") {
			t.Fatalf("%q: %+v", s, ref)
		}
		if strings.TrimRight(ref.Remote[3:], ":?") == "" {
			return // such as "ssh://", which has no repository
		}
		again, isGit, err := gitref.Parse(ref.Remote)
		if err != nil || !isGit {
			t.Fatalf("%q: remote %q: git %t, %v", s, ref.Remote, isGit, err)
		}
		want := gitref.Ref{
			Remote: ref.Remote, ShortName: ref.ShortName,
			UnencryptedTCP: ref.UnencryptedTCP, IndistinguishableFromLocal: ref.IndistinguishableFromLocal,
		}
		if diff := cmp.Diff(want, *again); diff != "" {
			t.Fatalf("%q: remote %q (-want +got):\n%s", s, ref.Remote, diff)
		}
	})
}

func ExampleParse() {
	for _, s := range []string{"git@github.com:moby/buildkit.git#v0.34.2:docs", "github.com/moby/buildkit", "./buildkit.git"} {
		ref, isGit, err := gitref.Parse(s)
		if err != nil {
			fmt.Println(isGit, err)
			continue
		}
		fmt.Println(ref.Remote, ref.Ref, ref.SubDir, ref.IndistinguishableFromLocal)
	}
	// Output:
	// git@github.com:moby/buildkit.git v0.34.2 docs false
	// github.com/moby/buildkit   true
	// false not a git source: "./buildkit.git" is a local path
}
