package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// goroutineImports lists the packages that run functions of the importing package in goroutines.
func goroutineImports() []string {
	return []string{
		"golang.org/x/sync/errgroup", "net/http/httptest",
		"slipway/internal/inorder", "slipway/internal/singleflight",
	}
}

// TestRaceDirs checks that RACEDIRS in the Makefile lists exactly the packages with tests that
// start goroutines, in the code or in the tests. In the tests of all other packages, the race
// detector cannot find anything.
func TestRaceDirs(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^RACEDIRS = (.*)$`).FindSubmatch(makefile)
	if m == nil {
		t.Fatal("Makefile: found no RACEDIRS")
	}
	listed := strings.Fields(string(m[1]))
	tested, starts := map[string]bool{}, map[string]string{}
	err = fs.WalkDir(os.DirFS("../.."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains([]string{"bin", "examples", "integration"}, name) || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		dir := path.Dir(name)
		tested[dir] = tested[dir] || strings.HasSuffix(name, "_test.go")
		if starts[dir] == "" {
			starts[dir] = goroutinesIn(t, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, site := range starts {
		if listed := slices.Contains(listed, dir); site != "" && tested[dir] && !listed {
			t.Errorf("RACEDIRS in the Makefile lacks %s (it starts goroutines: %s)", dir, site)
		} else if listed && (site == "" || !tested[dir]) {
			t.Errorf("RACEDIRS in the Makefile lists %s, which starts no goroutines or has no tests", dir)
		}
	}
	for _, dir := range listed {
		if _, ok := tested[dir]; !ok {
			t.Errorf("RACEDIRS in the Makefile lists %s, which does not exist", dir)
		}
	}
}

// goroutinesIn returns the location of code in the named file that starts goroutines. If the file
// has no such code, it returns "".
func goroutinesIn(t *testing.T, name string) string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "../../"+name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var found string
	ast.Inspect(file, func(n ast.Node) bool {
		var ok bool
		switch n := n.(type) {
		case *ast.GoStmt:
			ok = true
		case *ast.SelectorExpr: // of a sync.WaitGroup, or of the packages context and time
			ok = n.Sel.Name == "Go" || n.Sel.Name == "AfterFunc"
		case *ast.ImportSpec:
			imported, err := strconv.Unquote(n.Path.Value)
			ok = err == nil && slices.Contains(goroutineImports(), imported)
		}
		if ok && found == "" {
			found = name + ":" + strconv.Itoa(files.Position(n.Pos()).Line)
		}
		return found == ""
	})
	return found
}
