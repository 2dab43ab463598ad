package arch

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	module   = "slipway"
	buildkit = "github.com/moby/buildkit"
)

// pkg is a package in the output of go list -json.
type pkg struct {
	ImportPath string
	Imports    []string
}

// packages returns the packages of the module, with the imports of their non-test files.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var list []pkg
	dec := json.NewDecoder(out)
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return list
}

// row matches a line of the import table in ARCHITECTURE.md, for example "| `plan` | above |
// `instructions` `shell` |".
var row = regexp.MustCompile("^\\| `([^`]+)` \\| (above|below) \\| (.*) \\|$")

type entry struct {
	level   string
	imports []string
}

// table parses the import table in ARCHITECTURE.md. For each package, it returns whether the
// table lists the package as above or below the line, and the sorted list of its imports.
func table(t *testing.T) map[string]entry {
	t.Helper()
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]entry{}
	for line := range strings.Lines(string(text)) {
		m := row.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		var imports []string
		for _, name := range strings.Fields(m[3]) {
			if name != "–" {
				imports = append(imports, strings.Trim(name, "`"))
			}
		}
		slices.Sort(imports)
		entries[m[1]] = entry{m[2], imports}
	}
	if len(entries) < 10 {
		t.Fatalf("ARCHITECTURE.md: found only %d rows of the import table", len(entries))
	}
	return entries
}

// relativeName returns the import path of a package relative to the module. It returns false
// for packages that are not product code.
func relativeName(path string) (string, bool) {
	name, ok := strings.CutPrefix(path, module+"/")
	return name, ok && !strings.HasPrefix(name, "integration") && name != "internal/arch"
}

// TestImportTable checks that each package imports exactly the packages that ARCHITECTURE.md
// lists.
func TestImportTable(t *testing.T) {
	want := table(t)
	for _, p := range packages(t) {
		name, ok := relativeName(p.ImportPath)
		if !ok {
			continue
		}
		var got []string
		for _, imp := range p.Imports {
			if dep, ok := strings.CutPrefix(imp, module+"/"); ok {
				got = append(got, dep)
			}
		}
		slices.Sort(got)
		e, ok := want[name]
		if !ok {
			t.Errorf("%s is not in the import table of ARCHITECTURE.md; it imports %v", name, got)
			continue
		}
		if diff := cmp.Diff(e.imports, got); diff != "" {
			t.Errorf("%s imports other packages than ARCHITECTURE.md says (-page +code):\n%s", name, diff)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("ARCHITECTURE.md lists %s, which does not exist", name)
	}
}

// TestLine checks that packages below the line in ARCHITECTURE.md do not import BuildKit,
// except for its Dockerfile parser and its linter rules. It also checks that no product code
// imports a BuildKit package that this project reimplements.
func TestLine(t *testing.T) {
	levels := table(t)
	oracles := []string{
		"/frontend/dockerui",
		"/frontend/dockerfile/builder",
		"/frontend/dockerfile/dfgitutil",
		"/frontend/dockerfile/dockerfile2llb",
		"/frontend/dockerfile/instructions",
		"/frontend/dockerfile/shell",
	}
	for _, p := range packages(t) {
		name, ok := relativeName(p.ImportPath)
		if !ok {
			continue
		}
		for _, imp := range p.Imports {
			part, ok := strings.CutPrefix(imp, buildkit)
			if !ok {
				continue
			}
			if slices.Contains(oracles, part) {
				t.Errorf("%s imports %s, which is an oracle for integration/ only", name, imp)
			}
			grammar := name == "parser" && part == "/frontend/dockerfile/parser"
			catalogue := name == "linter/rules" && part == "/frontend/dockerfile/linter"
			if levels[name].level == "below" && !grammar && !catalogue {
				t.Errorf("%s is below the line and imports %s", name, imp)
			}
		}
	}
}

// clientSide lists the packages of BuildKit, or the directories of packages, that product code can
// import: protocols, types, and packages for clients of BuildKit.
func clientSide() []string {
	return []string{
		"/api", "/client", "/session", "/sourcepolicy", "/util",
		"/cache/remotecache/v1/types", "/executor/resources/types",
		"/exporter/containerimage/exptypes", "/exporter/exptypes", "/exporter/verifier",
		"/frontend/dockerfile/linter", "/frontend/dockerfile/parser",
		"/frontend/gateway/client", "/frontend/gateway/grpcclient", "/frontend/gateway/pb", "/frontend/subrequests",
		"/solver/errdefs", "/solver/llbsolver/provenance/types", "/solver/pb", "/solver/result",
	}
}

// TestClientSide checks that product code imports only packages of BuildKit that its clients use,
// and never its solver, control server, workers or executors. It also checks that types of sessions
// do not spread below the packages that speak with a BuildKit or a client of BuildKit.
func TestClientSide(t *testing.T) {
	for _, p := range packages(t) {
		name, ok := relativeName(p.ImportPath)
		if !ok {
			continue
		}
		for _, imp := range p.Imports {
			part, ok := strings.CutPrefix(imp, buildkit)
			if !ok {
				continue
			}
			below := func(dir string) bool { return part == dir || strings.HasPrefix(part, dir+"/") }
			if !slices.ContainsFunc(clientSide(), below) {
				t.Errorf("%s imports %s, which is on the server's side", name, imp)
			}
			if below("/session") && name != "builder/server" && name != "builder/remote" {
				t.Errorf("%s imports %s: only builder/server and builder/remote can use sessions", name, imp)
			}
		}
	}
}

// TestFuzzDirs checks the variable FUZZDIRS in the Makefile: each fuzz target must be below
// exactly one of its directories, and each of its directories must contain a target.
func TestFuzzDirs(t *testing.T) {
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^FUZZDIRS \?= (.*)$`).FindSubmatch(text)
	if m == nil {
		t.Fatal("the Makefile has no FUZZDIRS")
	}
	used := map[string]bool{}
	for dir := range strings.FieldsSeq(string(m[1])) {
		used[dir] = false
	}
	target := regexp.MustCompile(`(?m)^func Fuzz\w+\(`)
	err = fs.WalkDir(os.DirFS("../.."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		data, err := os.ReadFile("../../" + name)
		if err != nil || !target.Match(data) {
			return err
		}
		n := 0
		for dir := range used {
			if strings.HasPrefix(name, dir+"/") {
				used[dir] = true
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s has a fuzz target and is in %d of FUZZDIRS", name, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, ok := range used {
		if !ok {
			t.Errorf("FUZZDIRS has %s, which has no fuzz target", dir)
		}
	}
}
