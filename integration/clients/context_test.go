//go:build integration

package clients

import (
	"encoding/pem"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/integration/rig"
)

// contextDockerfile is a txtar archive with a Dockerfile that copies a file from the named
// context "other".
const contextDockerfile = `
-- Dockerfile --
# syntax=FRONTEND
FROM scratch
ARG FILE
COPY --from=other /$FILE /
`

// TestBuildContext checks each form of named context that buildx supports.
func TestBuildContext(t *testing.T) { onEachBuilder(t, testBuildContext) }

func testBuildContext(t *testing.T, d *rig.Daemon) {
	b := newBuildx(t, d)
	files := writeArchive(t, "-- file --\nfrom a context\n")
	source := writeArchive(t, "-- Dockerfile --\n# syntax=FRONTEND\nFROM scratch\nCOPY --from=files file /\n")
	layout := filepath.Join(t.TempDir(), "layout")
	// Only buildkitd writes a layout without an archive.
	newBuildx(t, builder.Daemon).run(t, source, "build", "--build-context", "files="+files, "--output", "type=oci,tar=false,dest="+layout, ".")
	image := builder.Addr + "/test/context:1"
	b.run(t, source, "build", "--build-context", "files="+files, "--output", "type=image,push=true,name="+image, ".")
	git := gitServer(t, files)

	for name, tc := range map[string]struct{ value, file string }{
		"directory":    {files, "file"},
		"docker-image": {"docker-image://" + image, "file"},
		"oci-layout":   {"oci-layout://" + layout, "file"},
		"https":        {fileServer(t, d, files), "context"}, // the context consists of one file, named context
		"git":          {git + "#main", "file"},
		"git-query":    {git + "?branch=main&subdir=/", "file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeArchive(t, contextDockerfile)
			b.run(t, dir, "build", "--build-context", "other="+tc.value, "--build-arg", "FILE="+tc.file, "--output", "out", ".")
			wantFile(t, "from a context\n", dir, "out", tc.file)
		})
	}
}

// fileServer serves files over HTTPS, with a certificate that the builder d trusts. It returns
// the URL of the server.
func fileServer(t *testing.T, d *rig.Daemon, files string) string {
	t.Helper()
	server := httptest.NewTLSServer(http.FileServer(http.Dir(files)))
	t.Cleanup(server.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(d.Certificates, authority, 0o644); err != nil {
		t.Fatal(err)
	}
	return server.URL + "/file"
}

// gitServer serves a Git repository over HTTP and returns its URL. Branch main contains one
// commit with the content of the directory files.
func gitServer(t *testing.T, files string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(files)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"},
		{"add", "."},
		{"-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-q", "-m", "test"},
	} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args[0], err, out)
		}
	}
	path, err := exec.CommandContext(t.Context(), "git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"},
	})
	t.Cleanup(server.Close)
	return server.URL + "/.git"
}
