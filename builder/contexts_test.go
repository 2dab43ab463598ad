package builder

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/internal/fakegit"
)

var committed = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

// buildFile runs a build and returns the content of the file called name in the result.
func buildFile(t *testing.T, o Options, name string) (string, error) {
	t.Helper()
	o.Outputs = []Output{{Type: "local", Dest: t.TempDir()}}
	if err := Run(t.Context(), o); err != nil {
		return "", err
	}
	data, err := os.ReadFile(filepath.Join(o.Outputs[0].Dest, name))
	return string(data), err
}

func remoteOptions(t *testing.T) Options {
	return Options{State: t.TempDir(), Runner: "portable", Now: time.Now}
}

// TestGitContext checks builds that use a git repository as the context, as a named context,
// and as a source of ADD.
func TestGitContext(t *testing.T) {
	r := fakegit.Start(t).Repository(t, "/r.git")
	commit := r.Commit("refs/heads/main", committed, map[string]fakegit.File{
		"Dockerfile": {Data: "FROM scratch\nCOPY f /\n"}, "f": {Data: "main"},
		"sub/Dockerfile": {Data: "FROM scratch\nCOPY f /\n"}, "sub/f": {Data: "sub"}, "sub/other": {Data: "FROM scratch\nCOPY other /f\n"},
	})
	r.Commit("refs/heads/topic", committed, map[string]fakegit.File{"Dockerfile": {Data: "FROM scratch\nCOPY f /\n"}, "f": {Data: "topic"}})
	r.Tag("v1", commit)
	withGit := r.Commit("refs/heads/with-git", committed, map[string]fakegit.File{"Dockerfile": {Data: "FROM scratch\nCOPY .git/HEAD /\n"}})
	r.Commit("refs/heads/podman", committed, map[string]fakegit.File{"Containerfile": {Data: "FROM scratch\nCOPY f /\n"}, "f": {Data: "podman"}})
	o := remoteOptions(t)
	for _, tc := range []struct{ context, file, want string }{
		{r.URL, "", "main"},
		{r.URL + "#topic", "", "topic"},
		{r.URL + "#podman", "", "podman"},
		{r.URL + "#v1:sub", "", "sub"},
		{r.URL + "?tag=v1&subdir=sub&checksum=" + commit, "", "sub"},
		{r.URL + "#" + commit + ":sub", "other", "FROM scratch\nCOPY other /f\n"},
	} {
		o.Context, o.File = tc.context, tc.file
		if got, err := buildFile(t, o, "f"); err != nil || got != tc.want {
			t.Errorf("%s: %q, %v, want %q", tc.context, got, err, tc.want)
		}
	}
	for context, want := range map[string]string{
		r.URL + "#podman": "failed to read dockerfile: ",
		r.URL + "#none":   "repository does not contain ref none",
		r.URL + "?branch=topic&checksum=" + commit: "expected checksum to match " + commit + ", got ",
	} {
		o.Context, o.File = context, "Dockerfile"
		if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", context, err, want)
		}
	}
	for _, text := range []string{"FROM scratch\nCOPY --from=repo f /\n", "FROM repo\n", "FROM scratch\nADD " + r.URL + "#topic /\n"} {
		o := options(t, text)
		o.Contexts = map[string]string{"repo": r.URL + "#topic"}
		if got, err := buildFile(t, o, "f"); err != nil || got != "topic" {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	keep := options(t, "FROM scratch\nADD --keep-git-dir=true "+r.URL+" /\n")
	if got, err := buildFile(t, keep, ".git/HEAD"); err != nil || got != commit+"\n" {
		t.Errorf("HEAD of ADD --keep-git-dir is %q, %v, want %s", got, err, commit)
	}
	o.Context, o.File = r.URL+"#with-git", "Dockerfile"
	o.BuildArgs = map[string]string{"BUILDKIT_CONTEXT_KEEP_GIT_DIR": "1"}
	if got, err := buildFile(t, o, "HEAD"); err != nil || got != withGit+"\n" {
		t.Errorf("HEAD of the context is %q, %v, want %s", got, err, withGit)
	}
}

// archive returns a compressed tar archive of a context.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	w := tar.NewWriter(gz)
	for name, data := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), ModTime: committed}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// buildCreated builds an image and returns the creation time in its config.
func buildCreated(t *testing.T, o Options) string {
	t.Helper()
	dest := filepath.Join(t.TempDir(), "image.tar")
	o.Outputs = []Output{{Type: "docker", Dest: dest}}
	o.BuildArgs = map[string]string{"SOURCE_DATE_EPOCH": "context"}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dest)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for files := tar.NewReader(f); ; {
		h, err := files.Next()
		if err != nil {
			t.Fatal("no config: ", err)
		}
		var config struct{ Created, Architecture string }
		if h.Typeflag != tar.TypeReg || json.NewDecoder(files).Decode(&config) != nil || config.Architecture == "" {
			continue
		}
		return config.Created
	}
}

// TestHTTPContext checks builds whose context is the URL of an archive or of a Dockerfile.
func TestHTTPContext(t *testing.T) {
	modified := time.Date(2021, 5, 6, 7, 8, 9, 0, time.UTC)
	archived := archive(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /\n", "sub/f": "other", "f": "x"})
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch r.URL.Path {
		case "/dated":
			w.Header().Set("Last-Modified", modified.Format(http.TimeFormat))
			fallthrough
		case "/archive":
			_, _ = w.Write(archived)
		case "/podman":
			_, _ = w.Write(archive(t, map[string]string{"Containerfile": "FROM scratch\nCOPY f /\n", "f": "x"}))
		case "/dockerfile":
			_, _ = io.WriteString(w, "FROM scratch\nCOPY <<EOF /f\nhere\nEOF\n")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	o := remoteOptions(t)
	for path, want := range map[string]string{"/archive": "x", "/podman": "x", "/dockerfile": "here\n"} {
		o.Context = s.URL + path
		asked = 0
		if got, err := buildFile(t, o, "f"); err != nil || got != want || asked != 1 {
			t.Errorf("%s: %q, %v, asked %d times", path, got, err, asked)
		}
	}
	o.Context = s.URL + "/none"
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "invalid response status 404") {
		t.Errorf("error %v", err)
	}
	for path, want := range map[string]time.Time{"/dated": modified, "/archive": committed} {
		o.Context = s.URL + path
		if got := buildCreated(t, o); got != want.Format(time.RFC3339) {
			t.Errorf("%s: created at %s, want %v", path, got, want)
		}
	}
	r := fakegit.Start(t).Repository(t, "/r.git")
	r.Commit("refs/heads/main", committed, map[string]fakegit.File{"Dockerfile": {Data: "FROM scratch\nCOPY Dockerfile /\n"}})
	if o.Context = r.URL; buildCreated(t, o) != committed.Format(time.RFC3339) {
		t.Errorf("git: not created at the time of the commit %v", committed)
	}
}

// endlessReader is an endless stream of comment lines.
type endlessReader struct{}

func (endlessReader) Read(p []byte) (int, error) {
	return copy(p, strings.Repeat("#\n", len(p)/2+1)), nil
}

func TestStdin(t *testing.T) {
	context := archive(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /\n", "f": "x", "other": "FROM scratch\nCOPY other /f\n"})
	local := options(t, "FROM none-of-this").Context
	for _, tc := range []struct {
		about, context, file string
		in                   io.Reader
		want                 string
	}{
		{"archive", "-", "", bytes.NewReader(context), "x"},
		{"archive with another Dockerfile", "-", "other", bytes.NewReader(context), "FROM scratch\nCOPY other /f\n"},
		{"Dockerfile", "-", "", strings.NewReader("FROM scratch\nCOPY <<EOF /f\nhere\nEOF\n"), "here\n"},
		{"Dockerfile for a directory", local, "-", strings.NewReader("FROM scratch\nCOPY a /f\n"), "content\n"},
		{"Dockerfile without files", "-", "", strings.NewReader("FROM scratch\nCOPY a /\n"), "error: \"/a\": not found"},
		{"nothing", "-", "", strings.NewReader(""), "error: the Dockerfile cannot be empty"},
		{"half an archive", "-", "", bytes.NewReader(context[:len(context)-20]), "error: unexpected EOF"},
		{"neither", "-", "", endlessReader{}, "error: is neither an archive nor a Dockerfile"},
		{"both", "-", "-", strings.NewReader(""), "error: invalid argument: can't use stdin for both build context and dockerfile"},
		{"two Dockerfiles", "-", "x", strings.NewReader("FROM scratch"), "error: ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles"},
		{"broken", "-", "", io.MultiReader(strings.NewReader("FROM"), broken{}), "error: standard input: broken"},
	} {
		o := remoteOptions(t)
		o.Context, o.File, o.Stdin = tc.context, tc.file, tc.in
		got, err := buildFile(t, o, "f")
		if want, ok := strings.CutPrefix(tc.want, "error: "); ok {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %s", tc.about, err, want)
			}
			continue
		}
		if err != nil || got != tc.want {
			t.Errorf("%s: %q, %v, want %q", tc.about, got, err, tc.want)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

// TestStdinInterrupted checks that a build that waits for standard input can be canceled.
func TestStdinInterrupted(t *testing.T) {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	o := remoteOptions(t)
	o.Context, o.Stdin = "-", r
	if err := Run(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}
