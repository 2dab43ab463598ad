//go:build integration

package daemon

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"slipway/integration/rig"
)

// A testCase is one archive of testdata. Its comment starts with a line that
// says what it is about; the lines below set, as "key: value", each as often as
// needed:
//
//	attr: target=x            a frontend option
//	secret: id=value
//	ssh: default              an agent with a fresh key
//	allow: security.insecure  an entitlement
//	differs: why              the source lines of an error must differ from upstream's
//	upstream: testA testB     tests of BuildKit whose behaviour it has
//	random: /file             a file of the image that is another each time it is made
//
// and what is in the context beside files of mode 0644 (see [placeFile]).
//
// The files are the Dockerfile, which gets its # syntax line from the test; its
// Dockerfile.dockerignore; the context's; those below "archive/" (see
// [packArchive]); those of contexts with a name, below "named/NAME/"; those below "http/", which a server has whose URL is build
// argument HTTP; those below "again/", which are added to the context for a
// second build; and, of a build that has to fail, "error": lines that must
// occur in what is printed.
type testCase struct {
	name     string
	about    string
	request  rig.Request // all but the # syntax line
	again    *rig.Request
	differs  string   // why the source lines of the error differ from upstream's; "" if they do not
	errors   []string // must occur in what buildctl prints
	upstream []string
	random   []string // paths without the leading slash
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
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := testCase{
		name: strings.TrimSuffix(filepath.Base(file), ".txtar"),
		request: rig.Request{
			Context: filepath.Join(dir, "context"),
			Attrs:   map[string]string{},
			Secrets: map[string][]byte{}, Contexts: map[string]string{},
		},
	}
	if err := os.MkdirAll(c.request.Context, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		c.place(t, dir, f)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(a.Comment)), "\n") {
		if i == 0 {
			c.about = line
			continue
		}
		key, value, ok := strings.Cut(line, ": ")
		if !ok || !c.set(t, dir, key, value) {
			t.Fatalf("%s: bad header line %q", file, line)
		}
	}
	settle(t, dir)
	if c.again != nil {
		c.readAgain(t, dir)
	}
	if _, ok := c.request.Attrs["build-arg:HTTP"]; ok {
		s := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(dir, "http"))))
		t.Cleanup(s.Close)
		c.request.Attrs["build-arg:HTTP"] = s.URL
	}
	return c
}

// readAgain sets the request of the second build: the context with the files of
// again/ in it.
func (c *testCase) readAgain(t *testing.T, dir string) {
	t.Helper()
	second, added := filepath.Join(dir, "second"), os.DirFS(filepath.Join(dir, "again"))
	if err := os.CopyFS(second, os.DirFS(c.request.Context)); err != nil {
		t.Fatal(err)
	}
	err := fs.WalkDir(added, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(added, name)
		if err != nil {
			return err
		}
		for at := name; at != "."; at = filepath.Dir(at) {
			info, err := os.Lstat(filepath.Join(second, at))
			if err != nil || info.IsDir() && at != name {
				continue
			}
			if err := os.RemoveAll(filepath.Join(second, at)); err != nil {
				return err
			}
		}
		writeFile(t, filepath.Join(second, name), data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	settle(t, second)
	req := c.request
	req.Context, c.again = second, &req
}

// place puts a file of the archive where it belongs.
func (c *testCase) place(t *testing.T, dir string, f txtar.File) {
	t.Helper()
	top, rest, _ := strings.Cut(f.Name, "/")
	switch top {
	case "Dockerfile":
		c.request.Dockerfile = string(f.Data)
	case "Dockerfile.dockerignore":
		c.request.Ignore = string(f.Data)
	case "error":
		c.errors = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
	case "context":
		writeFile(t, filepath.Join(dir, f.Name), f.Data)
	case "archive":
		data, err := packArchive(rest, f.Data)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		writeFile(t, filepath.Join(dir, rest), data)
	case "http":
		writeFile(t, filepath.Join(dir, f.Name), f.Data)
		c.request.Attrs["build-arg:HTTP"] = ""
	case "named":
		writeFile(t, filepath.Join(dir, f.Name), f.Data)
		name, _, _ := strings.Cut(rest, "/")
		c.request.Contexts[name] = filepath.Join(dir, "named", name)
		c.request.Attrs["context:"+name] = "local:" + name
	case "again":
		writeFile(t, filepath.Join(dir, f.Name), f.Data)
		c.again = &rig.Request{}
	default:
		t.Fatalf("%s: unknown file %s", c.name, f.Name)
	}
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

// set applies one header line and reports whether it is one.
func (c *testCase) set(t *testing.T, dir, key, value string) bool {
	t.Helper()
	first, second, _ := strings.Cut(value, "=")
	switch key {
	case "attr":
		c.request.Attrs[first] = second
	case "secret":
		c.request.Secrets[first] = []byte(second)
	case "ssh":
		c.request.SSHKey = filepath.Join(dir, "key")
		if err := rig.WriteSSHKey(c.request.SSHKey); err != nil {
			t.Fatal(err)
		}
	case "allow":
		c.request.Entitlements = append(c.request.Entitlements, value)
	case "differs":
		c.differs = value
	case "upstream":
		c.upstream = append(c.upstream, strings.Fields(value)...)
	case "random":
		c.random = append(c.random, strings.TrimPrefix(value, "/"))
	default:
		if err := placeFile(key, dir, value); err != nil {
			t.Errorf("%s: %v", value, err)
			return false
		}
	}
	return true
}

// withSyntax returns the build as a request to the given frontend.
func (c *testCase) withSyntax(frontend string) rig.Request {
	req := c.request
	req.Dockerfile = "# syntax=" + frontend + "\n" + req.Dockerfile
	return req
}
