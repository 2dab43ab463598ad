package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// unlocatedFunctions lists the functions of the frontend that create errors without a source
// range. The value for each function names the caller that adds the range, or states why the
// error needs none. The tests of integration/differential check that users see the range.
func unlocatedFunctions() map[string]string {
	return map[string]string{
		"plan/epoch.go epochOf":              "epochError: the global ARG; a build argument is not in the file",
		"plan/epoch.go epochError":           "a build argument is not in the file",
		"plan/eval_expose.go parsePort":      "expose: the word",
		"plan/eval_expose.go check":          "expose: the word",
		"plan/eval_workdir.go changeDir":     "workdir: the word; begin: the FROM",
		"plan/load.go loadReplaced":          "baseError: the name of the base",
		"plan/load.go loadContext":           "baseError: the name of the base",
		"plan/load.go loadImage":             "baseError: the name of the base",
		"plan/load.go withSuggestion":        "baseError: the name of the base",
		"plan/onbuild.go parseTrigger":       "inDockerfile: the FROM",
		"plan/target.go chooseTarget":        "the target is not in the file",
		"plan/winpath.go normalizePath":      "the callers: the word",
		"plan/winpath.go dropDrive":          "the callers: the word",
		"shell/pattern.go errSteps":          "within: the variable",
		"shell/pattern.go compile":           "within: the variable",
		"frontend/build.go start":            "the builder is too old",
		"frontend/build.go parseBuild":       "an empty file has no text",
		"frontend/build.go redirect":         "a build argument is not in the file",
		"frontend/check.go diagnosticsOf":    "errors that are about no file",
		"frontend/eject.go eject":            "several platforms are an option",
		"frontend/eject.go ejectPlatform":    "an internal error",
		"frontend/eject.go checkEjected":     "an internal error",
		"frontend/forward.go frontendInputs": "what a client sends is not in the file",
		"frontend/opcaps.go checkOps":        "withOpSource: the instruction",
		"frontend/platforms.go addMeta":      "an image config that cannot be encoded",
		"frontend/sbom.go setImage":          "the generator of SBOMs is an option",
		"frontend/sbom.go AddSBOM":           "the result of another frontend",
		"frontend/warn.go configureChecks":   "the same function: the directive",
	}
}

// TestErrorsAreLocated checks that unlocatedFunctions lists exactly the functions that create
// errors without a source range.
func TestErrorsAreLocated(t *testing.T) {
	listed := unlocatedFunctions()
	for _, dir := range []string{"parser", "instructions", "plan", "shell", "dockerfile2llb", "frontend"} {
		entries, err := fs.ReadDir(os.DirFS("../.."), dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := dir + "/" + e.Name()
			if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				continue
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, "../../"+name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range file.Decls {
				site := name + " " + nameOf(decl)
				for _, pos := range unlocatedErrors(decl) {
					if _, ok := listed[site]; !ok {
						t.Errorf("%s: the error of %s has no range (use diag.Errorf, or add the function to the list)", files.Position(pos), site)
						continue
					}
					listed[site] = ""
				}
			}
		}
	}
	for site, why := range listed {
		if why != "" {
			t.Errorf("%s makes no error without a range: remove it from the list", site)
		}
	}
}

// nameOf returns the name of the function or of the first variable or constant that d declares.
// For other declarations it returns "".
func nameOf(d ast.Decl) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Name.Name
	case *ast.GenDecl:
		if v, ok := d.Specs[0].(*ast.ValueSpec); ok {
			return v.Names[0].Name
		}
	}
	return ""
}

// unlocatedErrors returns the positions in the declaration d at which the code creates an error
// without a source range. These are calls of errors.New and fmt.Errorf outside of a call that
// adds a range, and diagnostics with an empty range.
func unlocatedErrors(d ast.Decl) []token.Pos {
	var list []token.Pos
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			switch callee(n.Fun) {
			case "withRange": // adds a range to its argument
				return false
			case "fmt.Errorf", "errors.New":
				list = append(list, n.Pos())
			case "diag.Errorf":
				if lit, ok := n.Args[0].(*ast.CompositeLit); ok && callee(lit.Type) == "source.Range" {
					list = append(list, n.Pos())
				}
			}
		case *ast.CompositeLit:
			if callee(n.Type) == "diag.Diagnostic" && !slices.ContainsFunc(n.Elts, setsRange) {
				list = append(list, n.Pos())
			}
		}
		return true
	})
	return list
}

func setsRange(e ast.Expr) bool {
	kv, ok := e.(*ast.KeyValueExpr)
	return ok && callee(kv.Key) == "Range"
}

// callee returns the name of the called function with its package, such as "errors.New". It
// returns "" if e is not a call of a named function.
func callee(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			return x.Name + "." + e.Sel.Name
		}
	}
	return ""
}
