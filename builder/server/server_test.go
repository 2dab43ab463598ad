package server

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"
	"google.golang.org/grpc/credentials"

	"slipway/builder"
)

// testServer is a running server with the portable runner.
type testServer struct {
	*client.Client
	server  *Server
	address string
	state   string
	stop    func() // stops the server and waits for it
}

// startServer starts a server at a unix socket.
func startServer(t *testing.T, o builder.Options) *testServer {
	t.Helper()
	if o.State == "" {
		o.State = t.TempDir()
	}
	o.Runner, o.Now = "portable", time.Now
	s, err := New(Options{Build: o, Version: "v1.2.3", Log: testLog{t}})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "s") //nolint:usetesting // short, because the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	out := &testServer{server: s, address: "unix://" + filepath.Join(dir, "s.sock"), state: o.State}
	l, err := Listen(out.address)
	if err != nil {
		t.Fatal(err)
	}
	out.serve(t, s, l, nil)
	out.Client = connect(t, out.address)
	return out
}

// serve runs the server until the test ends or calls stop.
func (x *testServer) serve(t *testing.T, s *Server, l net.Listener, creds credentials.TransportCredentials) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l, creds) }()
	x.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(x.stop)
}

func connect(t *testing.T, address string, opts ...client.ClientOpt) *client.Client {
	t.Helper()
	c, err := client.New(t.Context(), address, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// testLog writes the messages of a server to the log of a test.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("panic:")) {
		l.t.Error("a handler panics")
	}
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// contextDir returns a directory with the given files, by name.
func contextDir(t *testing.T, files map[string]string) fsutil.FS {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sh"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fs, err := fsutil.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// dockerfileOpt returns options for a build of a context with the built-in Dockerfile frontend.
func dockerfileOpt(files fsutil.FS) client.SolveOpt {
	return client.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: map[string]string{},
		LocalMounts: map[string]fsutil.FS{"context": files, "dockerfile": files},
	}
}

// statuses collects the progress of a build.
type statuses struct {
	ch   chan *client.SolveStatus
	done chan struct{}
	all  client.SolveStatus
}

func collect() *statuses {
	s := &statuses{ch: make(chan *client.SolveStatus), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for m := range s.ch {
			s.all.Vertexes = append(s.all.Vertexes, m.Vertexes...)
			s.all.Logs = append(s.all.Logs, m.Logs...)
			s.all.Warnings = append(s.all.Warnings, m.Warnings...)
		}
	}()
	return s
}

func (s *statuses) logs() string {
	<-s.done
	var b bytes.Buffer
	for _, l := range s.all.Logs {
		b.Write(l.Data)
	}
	return b.String()
}

// tarOutput is an output that is sent to the client as an archive.
type tarOutput struct{ bytes.Buffer }

func (o *tarOutput) Close() error { return nil }

func (o *tarOutput) entry() client.ExportEntry {
	return client.ExportEntry{Type: client.ExporterTar, Output: func(map[string]string) (io.WriteCloser, error) { return o, nil }}
}

// files returns the contents of the regular files in the archive, by name.
func (o *tarOutput) files(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	r := tar.NewReader(&o.Buffer)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			files[h.Name] = string(data)
		}
	}
}

// base is the beginning of a Dockerfile whose image contains a shell. The portable runner
// interprets the shell's commands.
const base = "FROM scratch\nCOPY sh /bin/sh\nCOPY sh /bin/cat\n"

const hello = base + "COPY a.txt /b.txt\nRUN echo made > /c.txt; echo printed\n"

// TestDockerfile checks that the server builds a Dockerfile of a client, and sends the files and
// the progress to the client.
func TestDockerfile(t *testing.T) {
	s := startServer(t, builder.Options{})
	opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": hello, "a.txt": "content\n"}))
	var out tarOutput
	opt.Exports = []client.ExportEntry{out.entry()}
	st := collect()
	if _, err := s.Solve(t.Context(), nil, opt, st.ch); err != nil {
		t.Fatal(err)
	}
	files := out.files(t)
	if files["b.txt"] != "content\n" || files["c.txt"] != "made\n" {
		t.Errorf("got files %q", files)
	}
	if got := st.logs(); !strings.Contains(got, "printed") {
		t.Errorf("got the output %q, want that of the step", got)
	}
}

// TestLocalOutput checks that the server sends the files of a build to a directory of the
// client.
func TestLocalOutput(t *testing.T) {
	s := startServer(t, builder.Options{})
	opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": hello, "a.txt": "content\n"}))
	dir := t.TempDir()
	opt.Exports = []client.ExportEntry{{Type: client.ExporterLocal, OutputDir: dir}}
	if _, err := s.Solve(t.Context(), nil, opt, nil); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "c.txt")); err != nil || string(data) != "made\n" {
		t.Errorf("got %q, %v", data, err)
	}
}
