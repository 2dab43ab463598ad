package llbsource

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/slowtest"
	"slipway/internal/testtree"
)

// sha256Repository creates a repository with SHA-256 hashes that has two commits. It returns the
// directory .git, the commit of the annotated tag v1, and the commit of the branch main.
func sha256Repository(t *testing.T) (dir, first, second string) {
	t.Helper()
	slowtest.Skip(t, "runs many programs")
	work := t.TempDir()
	gitCommand(t, work, "init", "--quiet", "--object-format=sha256")
	commit := func(content string) string {
		for name, mode := range map[string]os.FileMode{"d/f": 0o644, "run": 0o755} {
			file := filepath.Join(work, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(content), mode); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("../up", filepath.Join(work, "link")); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
		gitCommand(t, work, "add", ".")
		gitCommand(t, work, "commit", "--quiet", "--message="+content, "--date=2020-01-02T03:04:05Z")
		return gitCommand(t, work, "rev-parse", "HEAD")
	}
	first = commit("first")
	gitCommand(t, work, "tag", "--annotate", "--message=tag", "v1")
	second = commit("second")
	gitCommand(t, work, "update-server-info")
	return filepath.Join(work, ".git"), first, second
}

// smartServer serves a repository with the git program, in the smart protocol. It requires the
// given Authorization header.
func smartServer(t *testing.T, dir, auth string) string {
	t.Helper()
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != auth {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		args := []string{"upload-pack", "--stateless-rpc", dir}
		if strings.HasSuffix(r.URL.Path, "/info/refs") {
			args = slices.Insert(args, 1, "--advertise-refs")
			w.Header().Set("Content-Type", smartRefs)
			_, _ = io.WriteString(w, "001e# service=git-upload-pack\n0000")
		}
		cmd := exec.CommandContext(r.Context(), "git", args...)
		cmd.Stdin, cmd.Stdout = r.Body, w
		_ = cmd.Run() // the client reports the error
	}))
	t.Cleanup(h.Close)
	return h.URL + "/r.git"
}

// TestGitSHA256 checks that repositories with SHA-256 hashes can be fetched over both protocols,
// by branch, tag and hash.
func TestGitSHA256(t *testing.T) {
	dir, first, second := sha256Repository(t)
	dumb := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(dumb.Close)
	files := func(content string) []string {
		return []string{"d directory 755", "d/f file 644 " + content, "link symbolic link 777 ../up", "run file 755 " + content}
	}
	for i, url := range []string{dumb.URL, smartServer(t, dir, "secret")} {
		for _, tc := range []struct {
			fragment, commit string
			want             []string
		}{
			{"#v1", first, files("first")},
			{"#" + first, first, files("first")},
			{"", second, files("second")},
			{"#main:d", second, []string{"f file 644 second"}},
		}[i:] { // the smart protocol needs fewer cases
			s := newSources(t)
			s.Secrets = map[string][]byte{"GIT_AUTH_HEADER": []byte("secret")}
			op := gitOp(url, tc.fragment, pb.AttrGitChecksum, tc.commit)
			got, root := fetched(t, s, op)
			if !slices.Equal(got, tc.want) {
				t.Errorf("%s%s: got files %q, want %q", url, tc.fragment, got, tc.want)
			}
			if at := testtree.Must(root.Entries())[0].Node.Meta().ModTime; !at.Equal(built) {
				t.Errorf("%s%s: got time %v, want %v", url, tc.fragment, at, built)
			}
			md, err := s.ResolveGit(t.Context(), op, true)
			if err != nil || md.Commit != tc.commit && md.Object != tc.commit || !bytes.HasPrefix(md.CommitObject, []byte("tree ")) {
				t.Errorf("%s%s: got metadata %+v, %v", url, tc.fragment, md, err)
			}
			if left, err := os.ReadDir(s.Temp); err != nil || len(left) != 0 {
				t.Errorf("left %v, %v in the directory for temporary files", left, err)
			}
		}
	}
}

// TestGitSHA256Error checks the errors for repositories with SHA-256 hashes.
func TestGitSHA256Error(t *testing.T) {
	dir, first, _ := sha256Repository(t)
	dumb := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(dumb.Close)
	for _, tc := range []struct {
		op   *pb.SourceOp
		want string
	}{
		{gitOp(dumb.URL, "#none"), "repository does not contain ref none"},
		{gitOp(dumb.URL, "#mian"), "repository does not contain ref mian (did you mean main?)"},
		{gitOp(dumb.URL, "#main", pb.AttrGitChecksum, first), "expected checksum to match " + first},
		{gitOp(dumb.URL, "#main:no"), `invalid subdir no: "no" does not exist`},
		{gitOp(dumb.URL, "#"+strings.Repeat("1", 64)), "has no commit " + strings.Repeat("1", 64)},
	} {
		s := newSources(t)
		src, err := s.Open(t.Context(), tc.op, nil)
		if err == nil {
			_, err = src.Fetch(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %s", tc.op.Identifier, err, tc.want)
		}
		if left, err := os.ReadDir(s.Temp); err != nil || len(left) != 0 {
			t.Errorf("left %v, %v in the directory for temporary files", left, err)
		}
	}
}

// TestGitWithoutProgram checks the errors if the machine has no git program.
func TestGitWithoutProgram(t *testing.T) {
	dir, _, _ := sha256Repository(t)
	dumb := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(dumb.Close)
	t.Setenv("PATH", t.TempDir())
	_, err := newSources(t).Open(t.Context(), gitOp(dumb.URL, "#main"), nil)
	if want := fmt.Sprintf("%s requires the git program (install git", whySHA256); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}
