package llbsource

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/internal/fakegit"
	"slipway/internal/testtree"
)

// blobClient is a client whose OCI layout has a blob. It implements nothing else.
type blobClient struct {
	Client
	data string
}

// Blob implements [Client].
func (c blobClient) Blob(_ context.Context, store string, d digest.Digest) (io.ReadCloser, error) {
	if want := digest.FromString(c.data); store != "layout" || d != want {
		return nil, fmt.Errorf("got blob %s of %q, want %s of layout", d, store, want)
	}
	return io.NopCloser(strings.NewReader(c.data)), nil
}

// bundleSources returns sources that can read data from an OCI layout, but have no network. The
// attributes make data the bundle of a git source.
func bundleSources(t *testing.T, data string) (s *Sources, attrs []string) {
	t.Helper()
	s = newSources(t)
	s.HTTP = &http.Client{Transport: noNetwork{}}
	s.Client = blobClient{data: data}
	return s, []string{pb.AttrGitBundle, "oci-layout+blob://any/name@" + digest.FromString(data).String(), pb.AttrOCILayoutStoreID, "layout"}
}

type noNetwork struct{}

// RoundTrip implements [http.RoundTripper].
func (noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("unexpected request for %s", r.URL)
}

// gitCommand runs the git program in a directory and returns its output without spaces around it.
func gitCommand(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=tester", "-c", "user.email=tester@example.com", "-c", "init.defaultBranch=main"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// makeBundle returns the bundle that a source makes of a ref.
func makeBundle(t *testing.T, url, fragment string, attrs ...string) string {
	t.Helper()
	s := newSources(t)
	_, root := fetched(t, s, gitOp(url, fragment, append(attrs, pb.AttrGitCheckoutBundle, "true")...))
	entries := testtree.Must(root.Entries())
	if len(entries) != 1 || entries[0].Name != "bundle" || entries[0].Node.Meta().Mode != 0o644 {
		t.Fatalf("got files %+v, want only bundle", entries)
	}
	f, err := s.Store.Open(entries[0].Node.Blob())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var data bytes.Buffer
	if _, err := io.Copy(&data, f); err != nil {
		t.Fatal(err)
	}
	return data.String()
}

// withParent stores a commit of an empty directory that follows another commit, as the branch main.
func withParent(r *fakegit.Repository, parent string) string {
	tree := r.Object(plumbing.TreeObject, nil)
	hash := r.Object(plumbing.CommitObject, fmt.Appendf(nil, "tree %s\nparent %s\nauthor %s\ncommitter %s\n\nempty\n", tree, parent, person, person)).String()
	r.Ref("refs/heads/main", hash)
	return hash
}

// TestGitBundle makes bundles of refs of servers that speak the smart and the dumb protocol. It
// checks that the git program reads the whole history from them, and that another build reads the
// files without the server and with the same cache key.
func TestGitBundle(t *testing.T) {
	r := fakegit.Start(t).Repository(t, "/r.git")
	first := r.Commit("refs/heads/old", committed, one("first"))
	tag := r.Tag("v1", first)
	second := withParent(r, first)
	for _, url := range []string{r.URL, r.Dumb(t).URL} {
		for _, tc := range []struct {
			fragment, checksum string
			ref, object        string // in the bundle
			history            string // number of commits
			files              []string
		}{
			{"", second, "refs/heads/main", second, "2", nil},
			{"#main", second, "refs/heads/main", second, "2", nil},
			{"#heads/old", first, "refs/heads/old", first, "1", []string{"f file 644 first"}},
			{"#" + second, second, "refs/heads/main", second, "2", nil},
			{"#refs/tags/v1", first, "refs/tags/v1", tag, "1", []string{"f file 644 first"}},
			{"#v1", tag, "refs/heads/v1", first, "1", nil}, // the bundle has no tag
		} {
			data := makeBundle(t, url, tc.fragment, pb.AttrGitChecksum, tc.checksum)
			dir := t.TempDir()
			file := filepath.Join(dir, "x.bundle")
			if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
			gitCommand(t, dir, "init", "--quiet", "--bare", "repo")
			repo := filepath.Join(dir, "repo")
			gitCommand(t, repo, "fetch", "--quiet", file, "+refs/*:refs/*")
			if got := gitCommand(t, repo, "for-each-ref", "--format=%(refname) %(objectname)"); got != tc.ref+" "+tc.object {
				t.Errorf("%s%s: the bundle has the refs %q, want %s %s", url, tc.fragment, got, tc.ref, tc.object)
			}
			if got := gitCommand(t, repo, "rev-list", "--count", tc.ref); got != tc.history {
				t.Errorf("%s%s: the bundle has %s commits, want %s", url, tc.fragment, got, tc.history)
			}
			if tc.checksum != tc.object && tc.object != tag {
				continue
			}
			s, attrs := bundleSources(t, data)
			op := gitOp(url, tc.fragment, append(attrs, pb.AttrGitChecksum, tc.checksum)...)
			if got, _ := fetched(t, s, op); !slices.Equal(got, tc.files) {
				t.Errorf("%s%s: got files %q from the bundle, want %q", url, tc.fragment, got, tc.files)
			}
			if got, want := gitKey(t, s, op), gitKey(t, newSources(t), gitOp(url, tc.fragment)); got != want {
				t.Errorf("%s%s: cache key %s with the bundle, want %s", url, tc.fragment, got, want)
			}
			if left, err := os.ReadDir(s.Temp); err != nil || len(left) != 0 {
				t.Errorf("left %v, %v in the directory for temporary files", left, err)
			}
		}
	}
}

func gitKey(t *testing.T, s *Sources, op *pb.SourceOp) string {
	t.Helper()
	g, err := s.git(t.Context(), op)
	if err != nil {
		t.Fatal(err)
	}
	key, err := g.CacheKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestGitBundleKey checks that a bundle has another digest and cache key than the files, and that
// the digest covers the name of the ref.
func TestGitBundleKey(t *testing.T) {
	r := fakegit.Start(t).Repository(t, "/r.git")
	commit := r.Commit("refs/heads/main", committed, one("x"))
	r.Ref("refs/heads/other", commit)
	digests := map[digest.Digest]bool{}
	for _, op := range []*pb.SourceOp{
		gitOp(r.URL, "#main"), gitOp(r.URL, "#main", pb.AttrGitCheckoutBundle, "true"), gitOp(r.URL, "#other", pb.AttrGitCheckoutBundle, "true"),
	} {
		g, err := newSources(t).git(t.Context(), op)
		if err != nil {
			t.Fatal(err)
		}
		if digests[g.Digest()] {
			t.Errorf("%s %v: the digest of another source", op.Identifier, op.Attrs)
		}
		digests[g.Digest()] = true
		key, err := g.CacheKey()
		if want := map[bool]string{true: commit + "(bundle)", false: commit}[op.Attrs[pb.AttrGitCheckoutBundle] == "true"]; err != nil || key != want {
			t.Errorf("%s %v: cache key %q, %v, want %q", op.Identifier, op.Attrs, key, err, want)
		}
	}
}

// TestGitBundleError checks the errors for contradicting attributes and for damaged bundles.
func TestGitBundleError(t *testing.T) {
	r := fakegit.Start(t).Repository(t, "/r.git")
	commit := r.Commit("refs/heads/main", committed, one("x"))
	good := makeBundle(t, r.URL, "#main")
	zero := "docker-image+blob://example.com/x@sha256:" + strings.Repeat("0", 64)
	for _, tc := range []struct {
		fragment string
		attrs    map[string]string
		want     string
	}{
		{"#main", map[string]string{pb.AttrGitBundle: zero}, "git.bundle requires git.checksum to be set"},
		{"", map[string]string{pb.AttrGitBundle: zero, pb.AttrGitChecksum: commit[:9]}, "git.bundle requires a ref or a full commit hash"},
		{"#main", map[string]string{pb.AttrGitBundle: "https://example.com/x", pb.AttrGitChecksum: commit}, "want docker-image+blob://NAME@DIGEST"},
		{"#main", map[string]string{pb.AttrGitBundle: "docker-image+blob://example.com/x", pb.AttrGitChecksum: commit}, "invalid checksum digest format"},
		{"#main", map[string]string{pb.AttrGitBundle: "oci-layout+blob://a/x@sha512:" + strings.Repeat("0", 128), pb.AttrGitChecksum: commit}, `digest algorithm "sha512" not supported`},
		{"#main", map[string]string{pb.AttrGitCheckoutBundle: "true", pb.AttrKeepGitDir: "true"}, "git.checkoutbundle is incompatible with git.keepgitdir"},
		{"#main:d", map[string]string{pb.AttrGitCheckoutBundle: "true"}, "git.checkoutbundle is incompatible with a subdirectory"},
	} {
		op := gitOp(r.URL, tc.fragment)
		maps.Copy(op.Attrs, tc.attrs)
		if _, err := newSources(t).Open(t.Context(), op, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %v: error %v, want %s", tc.fragment, tc.attrs, err, tc.want)
		}
	}
	other := strings.Repeat("1", 40)
	for data, want := range map[string]string{
		"":                             "not a git bundle",
		"PACK":                         "not a git bundle",
		"# v2 git bundle\n\nPACK":      "it has no refs",
		"# v2 git bundle\nhello x\n\n": "not a git bundle",
		"# v2 git bundle\n" + strings.Repeat("a", maxBundleLine+1) + "\n": "not a git bundle",
		"# v2 git bundle\n-" + other + " base\n":                          "the bundle is not complete: it depends on the commit",
		"# v3 git bundle\n@object-format=sha256\n":                        "it has no refs",
		"# v3 git bundle\n@filter=blob:none\n":                            `the capability "filter=blob:none" of the bundle is not supported`,
		"# v2 git bundle\n" + commit + " refs/heads/next\n\n":             "repository does not contain ref main",
		"# v2 git bundle\n" + commit + " refs/heads/main\n\nPACK":         "malformed PACK",
		strings.Replace(good, commit+" ", other+" ", 1):                   "expected checksum to match",
		good[:len(good)-30]: "malformed PACK",
	} {
		s, attrs := bundleSources(t, data)
		src, err := s.Open(t.Context(), gitOp(r.URL, "#main", append(attrs, pb.AttrGitChecksum, commit)...), nil)
		if err == nil {
			_, err = src.Fetch(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: error %v, want %s", data, err, want)
		}
	}
	s, attrs := bundleSources(t, good)
	src, err := s.Open(t.Context(), gitOp(r.URL, "", append(attrs, pb.AttrGitChecksum, other)...), nil)
	if err == nil {
		_, err = src.Fetch(t.Context())
	}
	if want := "has no commit " + other; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}
