//go:build integration

package daemon

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
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
//	mode: context/a 0755      of a file of the context
//	link: context/l a         a symbolic link in the context
//	tar: context/x.tar a b    an archive in the context, of file a with content b
//	differs: why              the source lines of an error must differ from upstream's
//
// The files are the Dockerfile, which gets its # syntax line from the test, the
// context's, and, of a build that has to fail, "error": lines that must occur in
// what buildctl prints.
type testCase struct {
	name    string
	about   string
	request rig.Request // all but the # syntax line
	differs string      // why the source lines of the error differ from upstream's; "" if they do not
	errors  []string    // must occur in what buildctl prints
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
			Secrets: map[string][]byte{},
		},
	}
	if err := os.MkdirAll(c.request.Context, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		switch {
		case f.Name == "Dockerfile":
			c.request.Dockerfile = string(f.Data)
		case f.Name == "error":
			c.errors = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
		case strings.HasPrefix(f.Name, "context/"):
			writeFile(t, filepath.Join(dir, f.Name), f.Data)
		default:
			t.Fatalf("%s: unknown file %s", file, f.Name)
		}
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
	return c
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
	case "tar":
		fields := strings.Fields(value)
		if len(fields) != 3 {
			return false
		}
		writeTar(t, filepath.Join(dir, fields[0]), fields[1], fields[2])
	case "mode", "link":
		path, arg, ok := strings.Cut(value, " ")
		if !ok {
			return false
		}
		path = filepath.Join(dir, path)
		if key == "link" {
			return os.Symlink(arg, path) == nil
		}
		mode, err := strconv.ParseUint(arg, 8, 12)
		return err == nil && os.Chmod(path, fs.FileMode(mode)) == nil
	default:
		return false
	}
	return true
}

// writeTar writes an archive of one file.
func writeTar(t *testing.T, path, name, content string) {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o640, Uid: 7, Gid: 8, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, buf.Bytes())
}

// withSyntax returns the build as a request to the given frontend.
func (c *testCase) withSyntax(frontend string) rig.Request {
	req := c.request
	req.Dockerfile = "# syntax=" + frontend + "\n" + req.Dockerfile
	return req
}
