//go:build integration

package daemon

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"

	"slipway/builder"
)

// TestGitDir checks that a checkout with its .git directory has the same files as BuildKit's,
// and that git accepts the directory. [gitFiles] describes what is compared.
func TestGitDir(t *testing.T) {
	server := startGitServer(t)
	state := t.TempDir()
	for i, tc := range []struct{ name, ref string }{
		{"default branch", ""},
		{"branch", "main"},
		{"full name of a branch", "refs/heads/topic"},
		{"tag", "light"},
		{"annotated tag", "v1"},
		{"full name of an annotated tag", "refs/tags/v1"},
		{"commit", server.commit("topic")},
		{"first commit", server.commit("root")},
		{"many objects", "many"},
		{"submodules", "modules"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// BuildKit stores the refs of all builds from one remote in a repository. A URL of
			// its own makes the result independent of other cases.
			remote := fmt.Sprintf("%s/%d/r.git", server.URL, i)
			st := llb.Git(remote, tc.ref, llb.KeepGitDir())
			want, got := exportReference(t, st), exportState(t, st, state)
			if diff := cmp.Diff(gitFiles(t, want), gitFiles(t, got)); diff != "" {
				t.Errorf("files (-BuildKit +solver):\n%s", diff)
			}
			for _, args := range [][]string{
				{"status", "--porcelain"},
				{"fsck", "--full", "--strict"},
				{"log", "--format=%H %D"},
				{"submodule", "--quiet", "foreach", "--recursive", "pwd -P | sed 's,.*/linux_amd64,,'; git rev-parse HEAD; git status --porcelain; git fsck --full --strict"},
				{"fetch", "-q", "--unshallow", "origin"},
				{"log", "--format=%H"},
			} {
				want, got := runGit(t, want, args...), runGit(t, got, args...)
				if want != got {
					t.Errorf("git %s: %q, want %q as with BuildKit", strings.Join(args, " "), got, want)
				}
			}
		})
	}
}

// runGit runs git in a directory and returns its output, without the configuration of this
// machine.
func runGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b", "GIT_AUTHOR_DATE=1600000000 +0000", "GIT_COMMITTER_DATE=1600000000 +0000")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// A gitServer serves two repositories over HTTP, at r.git and module.git below any directory.
type gitServer struct {
	*httptest.Server
	t   *testing.T
	dir string
}

func (s *gitServer) commit(ref string) string {
	return strings.TrimSpace(runGit(s.t, filepath.Join(s.dir, "r.git"), "rev-parse", ref))
}

// startGitServer creates the repositories and serves them with git's own server until the test
// ends.
func startGitServer(t *testing.T) *gitServer {
	t.Helper()
	s := &gitServer{t: t, dir: t.TempDir()}
	backend := strings.TrimSpace(runGit(t, s.dir, "--exec-path")) + "/git-http-backend"
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, prefix, _ := strings.Cut(r.URL.Path, "/")
		prefix, _, _ = strings.Cut(prefix, "/")
		h := &cgi.Handler{Path: backend, Root: "/" + prefix, Env: []string{"GIT_PROJECT_ROOT=" + s.dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_PROTOCOL=" + r.Header.Get("Git-Protocol"), "HOME=/dev/null"}}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	for _, repo := range []string{"module.git", "r.git"} {
		dir := filepath.Join(s.dir, repo)
		runGit(t, s.dir, "init", "-q", "-b", "main", repo)
		writeFile(t, filepath.Join(dir, "run.sh"), []byte(repo))
		if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("run.sh", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		commitAll(t, dir, "first", "root")
		writeFile(t, filepath.Join(dir, "a/b/file"), []byte(repo))
		writeFile(t, filepath.Join(dir, "a.b/file"), []byte("x"))
		writeFile(t, filepath.Join(dir, "lib/file"), nil)
		commitAll(t, dir, "second", "light")
		runGit(t, dir, "tag", "-m", "tag", "v1")
		runGit(t, dir, "branch", "topic")
		// Allows fetching commits without a ref, which git submodule does.
		runGit(t, dir, "config", "uploadpack.allowAnySHA1InWant", "true")
	}
	dir := filepath.Join(s.dir, "r.git")
	runGit(t, dir, "checkout", "-q", "-b", "many")
	for i := range 150 {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("d%d/%d", i%7, i)), fmt.Append(nil, i))
	}
	commitAll(t, dir, "third", "")
	addSubmodules(t, s, dir)
	return s
}

// addSubmodules creates the branch modules, which has two submodules. One of them contains a
// submodule.
func addSubmodules(t *testing.T, s *gitServer, dir string) {
	t.Helper()
	module := filepath.Join(s.dir, "module.git")
	runGit(t, module, "checkout", "-q", "-b", "nested")
	runGit(t, module, "submodule", "--quiet", "add", "-b", "main", s.URL+"/m/module.git", "deep/er")
	commitAll(t, module, "third", "")
	runGit(t, module, "checkout", "-q", "main")
	runGit(t, dir, "checkout", "-q", "topic", "-b", "modules")
	runGit(t, dir, "remote", "add", "origin", s.URL+"/m/r.git")
	runGit(t, dir, "submodule", "--quiet", "add", "-b", "nested", "--name", "a name/x", "../module.git", "sub/module")
	runGit(t, dir, "submodule", "--quiet", "add", s.URL+"/m/module.git", "other")
	commitAll(t, dir, "third", "")
	runGit(t, dir, "checkout", "-q", "topic", "--")
	runGit(t, dir, "checkout", "-q", "main", "--")
}

// commitAll commits all files in the directory of a repository. If tag is not "", it also
// creates a tag.
func commitAll(t *testing.T, dir, message, tag string) {
	t.Helper()
	runGit(t, dir, "add", ".")
	runGit(t, dir, "commit", "-q", "-m", message)
	if tag != "" {
		runGit(t, dir, "tag", tag)
	}
}

// exportReference builds the LLB state st with BuildKit and returns a directory with its files.
func exportReference(t *testing.T, st llb.State) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "r")
	_, err := shared.Client.Build(t.Context(), client.SolveOpt{Exports: []client.ExportEntry{{Type: client.ExporterLocal, OutputDir: dir}}}, "", stateFrontend(st), nil)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "linux_amd64")
}

// exportState builds the LLB state st with our solver and returns a directory with its files.
func exportState(t *testing.T, st llb.State, state string) string {
	t.Helper()
	context, dir := t.TempDir(), filepath.Join(t.TempDir(), "r")
	writeFile(t, filepath.Join(context, "Dockerfile"), nil) // required by the client, unused by the frontend
	err := builder.Run(t.Context(), builder.Options{
		Context: context, Frontend: stateFrontend(st), State: state, Now: time.Now,
		Outputs: []builder.Output{{Type: "local", Dest: dir}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "linux_amd64")
}

// gitFiles returns a line for each file in a checkout: its path, its mode and its content.
// Content that cannot be equal is replaced:
//
//   - files from the templates of the git program are omitted;
//   - objects are decompressed, and packs are listed by object;
//   - index entries have no times, inodes and sizes;
//   - for a submodule, only HEAD, index and configuration are compared. BuildKit clones the
//     default branch of its remote before it fetches the commit, which gives other refs, logs
//     and objects.
func gitFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	templates := regexp.MustCompile(`^\.git/(modules/.*/)?(branches|description|hooks/.*|hooks|info|info/exclude)$`)
	ofRemote := regexp.MustCompile(`^\.git/modules/.*/(FETCH_HEAD|packed-refs|shallow|(logs|objects|refs)(/.*)?)$`)
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil || templates.MatchString(rel) || ofRemote.MatchString(rel) {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		line := info.Mode().String() + " "
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			files[rel] = line + target
			return err
		case e.IsDir():
			files[rel] = line
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, data = comparable(t, rel, name, data)
		files[rel] = line + string(data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// comparable returns the path and the content of a file for [gitFiles].
func comparable(t *testing.T, rel, file string, data []byte) (string, []byte) {
	t.Helper()
	switch dir, base := path.Split(rel); {
	case !strings.HasPrefix(rel, ".git/"):
	case base == "index":
		return rel, withoutStat(data)
	case base == "config":
		// BuildKit's cache finds a checkout of the same commit from another remote.
		data = regexp.MustCompile(`/\d+/r.git`).ReplaceAll(data, []byte("/N/r.git"))
		if dir == ".git/" {
			break
		}
		data = regexp.MustCompile(`(?m)^\tfetch = .*\n|^\[branch "[^]]*\]\n\tremote = .*\n\tmerge = .*\n`).ReplaceAll(data, nil)
	case strings.HasSuffix(base, ".idx"):
		return dir + "pack.idx", nil
	case strings.HasSuffix(base, ".pack"):
		list := regexp.MustCompile(`(?m)^[0-9a-f]{40} \w+ +\d+`).FindAllString(runGit(t, filepath.Dir(file), "verify-pack", "-v", file), -1)
		slices.Sort(list)
		return dir + "pack.pack", []byte(strings.Join(list, "\n"))
	case strings.Contains(dir, "/objects/"):
		r, err := zlib.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return rel, data
}

// withoutStat returns a git index as text. The properties of files on disk and the checksum
// are omitted.
func withoutStat(data []byte) []byte {
	out := fmt.Appendf(nil, "%q\n", data[:12])
	rest := data[12:]
	for range binary.BigEndian.Uint32(data[8:]) {
		size := int(binary.BigEndian.Uint16(rest[60:]) & 0xfff)
		out = fmt.Appendf(out, "%x %x %x %s\n", rest[24:28], rest[40:60], rest[60:62], rest[62:62+size])
		rest = rest[(62+size+8)/8*8:]
	}
	return append(out, hex.Dump(rest[:len(rest)-20])...)
}
