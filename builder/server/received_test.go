package server

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"

	"slipway/builder"
)

// kept returns the kept files of the directory that contains a file with this name.
func (x *testServer) kept(t *testing.T, name string) keptFiles {
	t.Helper()
	r := x.server.received
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.kept, func(k keptFiles) bool {
		_, err := os.Stat(filepath.Join(k.dir, name))
		return err == nil
	})
	if i < 0 {
		t.Fatalf("no directory with a file %s is kept", name)
	}
	return r.kept[i]
}

// TestKeptReading checks that a server reads a received directory again only if a file has changed,
// also by a transfer to another server with the same state directory.
func TestKeptReading(t *testing.T) {
	files := testFiles(t.TempDir())
	files.write(t, "Dockerfile", "FROM scratch\nCOPY sent* /\n", time.Unix(1, 0))
	first := startServer(t, builder.Options{})
	second := startServer(t, builder.Options{State: first.state})
	build := func(s *testServer, want string) (built map[string]string) {
		t.Helper()
		opt := dockerfileOpt(files.fs(t))
		opt.LocalMounts["dockerfile"] = opt.LocalMounts["context"]
		var out tarOutput
		opt.Exports = []client.ExportEntry{out.entry()}
		if _, err := s.Solve(t.Context(), nil, opt, nil); err != nil {
			t.Fatal(err)
		}
		built = out.files(t)
		if got := built["sent"]; got != want {
			t.Errorf("built %q, want %q", got, want)
		}
		return built
	}
	files.write(t, "sent", "1", time.Unix(1, 0))
	files.write(t, "sent too", "1", time.Unix(1, 0))
	for range 3 { // a file is indexed when it is older than a tick of the clock
		build(first, "1")
		time.Sleep(30 * time.Millisecond)
	}
	k := first.kept(t, "sent")
	if build(first, "1"); first.kept(t, "sent").reading != k.reading {
		t.Error("the files are the same, but were read again")
	}
	if err := os.Remove(filepath.Join(string(files), "sent too")); err != nil {
		t.Fatal(err)
	}
	if built := build(first, "1"); built["sent too"] != "" { // nothing is sent
		t.Error("built a file that the client has removed")
	}
	if err := os.Remove(filepath.Join(k.dir, "sent")); err != nil {
		t.Fatal(err)
	}
	files.write(t, "sent", "5", time.Unix(1, 0)) // is sent because the server has lost it
	build(first, "5")
	files.write(t, "sent", "2", time.Unix(2, 0))
	build(second, "2")
	files.write(t, "sent", "3", time.Unix(1, 0)) // the first server has seen the same size and time
	build(second, "3")
	build(first, "3")
	files.write(t, "sent", "4", time.Unix(4, 0))
	for range 3 {
		build(first, "4")
	}
	if err := first.Prune(t.Context(), nil, client.PruneAll); err != nil {
		t.Fatal(err)
	}
	build(first, "4")
	first.server.received.max = 0
	if build(first, "4"); len(first.server.received.kept) != 0 {
		t.Errorf("%d readings exceed the limit, want none", len(first.server.received.kept))
	}
}

// testFiles is the path of the directory with the files of a client.
type testFiles string

func (dir testFiles) write(t *testing.T, name, data string, modified time.Time) {
	t.Helper()
	file := filepath.Join(string(dir), name)
	if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, modified, modified); err != nil {
		t.Fatal(err)
	}
}

func (dir testFiles) fs(t *testing.T) fsutil.FS {
	t.Helper()
	files, err := fsutil.NewFS(string(dir))
	if err != nil {
		t.Fatal(err)
	}
	return files
}
