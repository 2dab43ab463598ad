package llbsource

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/slowtest"
	"slipway/solver/tree"
)

// TestGitSHA256Dir checks the directory .git of a checkout with SHA-256 hashes: git finds the commit,
// the refs and no changes, and two checkouts are equal.
func TestGitSHA256Dir(t *testing.T) {
	dir, first, second := sha256Repository(t)
	tag := gitCommand(t, filepath.Dir(dir), "rev-parse", "v1")
	url := smartServer(t, dir, "")
	for _, tc := range []struct{ fragment, commit, refs string }{
		{"#main", second, "refs/heads/main " + second + "\nrefs/tags/main " + second},
		{"#v1", first, "refs/tags/v1 " + tag},
		{"#" + first, first, ""},
	} {
		op := gitOp(url, tc.fragment, pb.AttrKeepGitDir, "true")
		s := newSources(t)
		names, root := fetched(t, s, op)
		for _, name := range names {
			if strings.HasPrefix(name, ".git/objects/") && strings.Contains(name, " file ") != strings.Contains(name, " file 444 ") {
				t.Errorf("%s: the mode of an object is not 0444: %.120q", tc.fragment, name)
			}
		}
		at := t.TempDir()
		if err := tree.WriteDir(t.Context(), at, root, s.Store, tree.HostOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := gitCommand(t, at, "rev-parse", "HEAD"); got != tc.commit {
			t.Errorf("%s: HEAD is %s, want %s", tc.fragment, got, tc.commit)
		}
		if got := gitCommand(t, at, "for-each-ref", "--format=%(refname) %(objectname)"); got != tc.refs {
			t.Errorf("%s: refs\n%s\nwant\n%s", tc.fragment, got, tc.refs)
		}
		for _, command := range [][]string{{"status", "--porcelain"}, {"fsck", "--strict"}} {
			if got := gitCommand(t, at, command...); got != "" {
				t.Errorf("%s: git %s prints %q, want nothing", tc.fragment, command[0], got)
			}
		}
		if got := gitCommand(t, at, "remote", "get-url", "origin"); got != url {
			t.Errorf("%s: the remote is %s, want %s", tc.fragment, got, url)
		}
		if left, err := os.ReadDir(s.Temp); err != nil || len(left) != 0 {
			t.Errorf("left %v, %v in the directory for temporary files", left, err)
		}
	}
}

// TestGitSHA256Modules checks that two checkouts with .git are equal, also in .git/modules, and that
// git finds no changes in the submodule.
func TestGitSHA256Modules(t *testing.T) {
	slowtest.Skip(t, "runs many programs")
	dir, _, commit := sha256Repository(t)
	work := t.TempDir()
	gitCommand(t, work, "init", "--quiet", "--object-format=sha256")
	gitCommand(t, work, "submodule", "--quiet", "add", smartServer(t, dir, ""), "sub")
	gitCommand(t, work, "commit", "--quiet", "--message=x")
	op := gitOp(smartServer(t, filepath.Join(work, ".git"), ""), "#main", pb.AttrKeepGitDir, "true")
	s := newSources(t)
	_, root := fetched(t, s, op)
	at := t.TempDir()
	if err := tree.WriteDir(t.Context(), at, root, s.Store, tree.HostOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := gitCommand(t, at, "submodule", "status"); !strings.HasPrefix(got, commit+" sub") {
		t.Errorf("submodules %q, want one with the commit %s", got, commit)
	}
	if got := gitCommand(t, at, "status", "--porcelain"); got != "" {
		t.Errorf("changes %q, want none", got)
	}
	if _, again := fetched(t, newSources(t), op); !again.Same(root) {
		t.Error("a second checkout is different")
	}
}

// TestGitSHA256Bundle makes bundles of refs with SHA-256 hashes. It checks that git reads the whole
// history from them, and that another build reads the files without the server.
func TestGitSHA256Bundle(t *testing.T) {
	dir, first, second := sha256Repository(t)
	tag := gitCommand(t, filepath.Dir(dir), "rev-parse", "v1")
	dumb := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(dumb.Close)
	for _, tc := range []struct {
		fragment, checksum, ref, object, history, content string
	}{
		{"#main", second, "refs/heads/main", second, "2", "second"},
		{"#" + second, second, "refs/heads/main", second, "2", "second"},
		{"#refs/tags/v1", first, "refs/tags/v1", tag, "1", "first"},
	} {
		data := makeBundle(t, dumb.URL, tc.fragment, pb.AttrGitChecksum, tc.checksum)
		at := t.TempDir()
		file := filepath.Join(at, "x.bundle")
		if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		gitCommand(t, at, "init", "--quiet", "--bare", "--object-format=sha256")
		gitCommand(t, at, "fetch", "--quiet", file, "+refs/*:refs/*")
		if got := gitCommand(t, at, "for-each-ref", "--format=%(refname) %(objectname)"); got != tc.ref+" "+tc.object {
			t.Errorf("%s: the bundle has the refs %q, want %s %s", tc.fragment, got, tc.ref, tc.object)
		}
		if got := gitCommand(t, at, "rev-list", "--count", tc.ref); got != tc.history {
			t.Errorf("%s: the bundle has %s commits, want %s", tc.fragment, got, tc.history)
		}
		s, attrs := bundleSources(t, data)
		got, _ := fetched(t, s, gitOp(dumb.URL, tc.fragment+":d", append(attrs, pb.AttrGitChecksum, tc.checksum)...))
		if want := []string{"f file 644 " + tc.content}; !slices.Equal(got, want) {
			t.Errorf("%s: got files %q from the bundle, want %q", tc.fragment, got, want)
		}
	}
}

// TestGitSHA256BadBundle checks the errors for bundles with SHA-256 hashes that are not complete.
func TestGitSHA256BadBundle(t *testing.T) {
	_, first, _ := sha256Repository(t)
	for data, want := range map[string]string{
		"# v3 git bundle\n@object-format=sha256\n":                                                      "it has no refs",
		"# v3 git bundle\n@object-format=sha256\n" + first + " refs/heads/main\n\nPACK":                 "git bundle oci-layout+blob://any/name@sha256:",
		"# v3 git bundle\n@object-format=sha256\n-" + first + "\n" + first + " refs/heads/main\n\nPACK": "git bundle oci-layout+blob://any/name@sha256:",
	} {
		s, attrs := bundleSources(t, data)
		src, err := s.Open(t.Context(), gitOp("https://example.com/r.git", "#main", append(attrs, pb.AttrGitChecksum, first)...), nil)
		if err == nil {
			_, err = src.Fetch(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v, want one line with %q", data, err, want)
		}
		if left, err := os.ReadDir(s.Temp); err != nil || len(left) != 0 {
			t.Errorf("left %v, %v in the directory for temporary files", left, err)
		}
	}
}
