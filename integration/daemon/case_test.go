//go:build integration

package daemon

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/integration/buildcase"
	"slipway/integration/rig"
)

// A testCase is a case parsed from a file in testdata, with the request for its first build.
// Package buildcase documents the file format.
type testCase struct {
	*buildcase.Case
	name    string
	request rig.Request // request for the first build, without # syntax line
	server  string      // URL of the server for files below http/; "" if the case has none
}

func readCases(t *testing.T, dir string) []testCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("testdata/%s has no cases", dir)
	}
	var list []testCase
	for _, f := range files {
		list = append(list, readCase(t, f))
	}
	return list
}

func readCase(t *testing.T, file string) testCase {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := testCase{name: strings.TrimSuffix(filepath.Base(file), ".txtar")}
	if c.Case, err = buildcase.Parse(data); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	dir := t.TempDir()
	layout, err := c.Lay(dir)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if c.HasServer {
		s := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(dir, "http"))))
		t.Cleanup(s.Close)
		c.server = s.URL
	}
	c.request = c.currentRequest(layout)
	return c
}

// currentRequest returns the request for the current build of the layout l.
func (c *testCase) currentRequest(l *buildcase.Layout) rig.Request {
	req := l.Request()
	if c.server != "" {
		req.Attrs["build-arg:HTTP"] = c.server
	}
	return req
}

// withSyntax returns the request with an additional # syntax line that selects the frontend
// image.
func (c *testCase) withSyntax(frontend string) rig.Request {
	req := c.request
	req.Dockerfile = "# syntax=" + frontend + "\n" + req.Dockerfile
	return req
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
