package gateway_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"

	"slipway/frontend"
	"slipway/internal/testtree"
	"slipway/solver"
	"slipway/solver/gateway"
	"slipway/solver/llbsource"
	"slipway/solver/runner"
	"slipway/solver/runner/script"
	"slipway/solver/tree"
)

// testSolver holds a store and a cache that several builds of a test share.
type testSolver struct {
	t      *testing.T
	store  *tree.Store
	cache  solver.Cache
	run    runner.Runner
	mounts solver.Mounts // nil if steps have no mounts
	ran    []string      // names of operations that were not cached
}

func newTestSolver(t *testing.T, steps ...script.Step) *testSolver {
	t.Helper()
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &testSolver{t: t, store: s, cache: solver.NewMemoryCache(), run: script.New(s, steps...)}
}

// build builds the Dockerfile in a directory with this project's frontend.
func (m *testSolver) build(dir string, opts map[string]string) (*tree.Node, *client.Result, error) {
	m.t.Helper()
	res, err := frontend.Build(m.t.Context(), m.client(dir, opts))
	if err != nil {
		return nil, nil, err
	}
	if res.Ref == nil {
		return tree.Empty(), res, nil
	}
	s, err := res.Ref.(*gateway.Reference).Result.Snapshot(m.t.Context())
	if err != nil {
		return nil, nil, err
	}
	return testtree.Of(s), res, nil
}

// client returns a gateway client for a build whose build context and Dockerfile are in
// dir.
func (m *testSolver) client(dir string, opts map[string]string) *gateway.Client {
	m.ran = nil
	src := &llbsource.Sources{Store: m.store, Cache: m.cache, Dirs: map[string]string{"context": dir, "dockerfile": dir}}
	return gateway.New(gateway.Options{Build: m.solver(src), Store: m.store, Sources: src, Opts: opts})
}

// solver returns a new solver job for a build with the given sources.
func (m *testSolver) solver(src *llbsource.Sources) *solver.Job {
	return solver.New(m.t.Context(), solver.Options{
		Store: m.store, Cache: m.cache, Sources: src, Runner: m.run, Mounts: m.mounts, Parallel: 4,
		Now: func() time.Time { return time.Unix(1, 0) },
		Events: func(e solver.Event) {
			if _, isSource := e.Vertex.Op.Op.(*pb.Op_Source); e.Kind == solver.Missed && !isSource {
				m.ran = append(m.ran, e.Vertex.Name())
			}
		},
	})
}

// files writes files into a new directory and returns its path.
func files(t *testing.T, list map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range list {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// list returns the paths of all files in a tree, separated by spaces.
func list(n *tree.Node) string {
	var names []string
	_ = tree.Diff(nil, n, func(c tree.Change) error {
		if c.Path != "" {
			names = append(names, c.Path)
		}
		return nil
	})
	return strings.Join(names, " ")
}

func TestBuild(t *testing.T) {
	dir := files(t, map[string]string{
		"Dockerfile": "FROM scratch AS a\nCOPY src/ /a/\nFROM scratch\nWORKDIR /w\nCOPY --from=a /a/x* ./\nCOPY <<END /doc\nhello\nEND\n",
		"src/x1":     "1", "src/x2": "2", "src/y": "3", "unused": "4",
	})
	m := newTestSolver(t)
	n, res, err := m.build(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := list(n), "doc w w/x1 w/x2"; got != want {
		t.Errorf("files %s, want %s", got, want)
	}
	if len(res.Metadata["containerimage.config"]) == 0 {
		t.Error("the result has no image config")
	}
	if _, _, err = m.build(dir, nil); err != nil || len(m.ran) != 0 {
		t.Errorf("a second build ran %q, %v", m.ran, err)
	}
	// A change to a copied file reruns the copy and its dependents. A change to another
	// file reruns nothing.
	for name, want := range map[string]string{"src/y": "[a 1/1] COPY src/ /a/", "unused": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("new"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err = m.build(dir, nil); err != nil || strings.Join(m.ran, ", ") != want {
			t.Errorf("after a change of %s, the build ran %q, %v; want %q", name, m.ran, err, want)
		}
	}
}

func TestRun(t *testing.T) {
	dir := files(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\nRUN one\nRUN two\n"})
	m := newTestSolver(t, script.Step{Run: "*", Do: func(_ context.Context, c *script.Call) error {
		if _, err := c.ReadFile("Dockerfile"); err != nil {
			t.Error(err)
		}
		return c.WriteFile(c.Args[2], "")
	}})
	n, _, err := m.build(dir, nil)
	if err != nil || list(n) != "Dockerfile dev one proc sys two" {
		t.Fatalf("%v, %v", n, err)
	}
	m.run = script.New(m.store, script.Step{Run: "one", Exit: 3})
	if _, _, err := m.build(dir, nil); err != nil {
		t.Errorf("a cached process ran: %v", err)
	}
	m.cache = solver.NewMemoryCache()
	_, _, err = m.build(dir, nil)
	want := "[2/3] RUN one: process \"/bin/sh -c one\" did not complete successfully: exit code: 3"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestMountSource checks that two steps have different cache keys if they differ only in
// the source path of a writable mount.
func TestMountSource(t *testing.T) {
	dir := files(t, map[string]string{"Dockerfile": "", "a/f": "1", "b/f": "2"})
	seen := ""
	m := newTestSolver(t, script.Step{Run: "x", Do: func(_ context.Context, c *script.Call) error {
		for _, mount := range c.Mounts {
			if mount.Target == "/m" {
				seen += mount.Source
			}
		}
		return nil
	}})
	for _, source := range []string{"a", "b"} {
		text := "FROM scratch AS src\nCOPY a /a\nCOPY b /b\nFROM scratch\nRUN --mount=from=src,source=" + source + ",target=/m,rw x\n"
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := m.build(dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	if seen != "/a/b" {
		t.Errorf("the steps saw %q", seen)
	}
}
