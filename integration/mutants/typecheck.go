package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// checkAll returns an error that lists the unusable mutants. A mutant is unusable if its line
// does not occur exactly once in the file, or if the package does not compile with the changed
// line.
func checkAll(ctx context.Context, list []mutant, root string) error {
	c, err := newTypechecker(ctx, list, root)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range list {
		text, err := m.changedSource(root)
		if err == nil {
			err = c.check(filepath.Join(root, filepath.FromSlash(m.file)), text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("mutants.txt:%d: %s: %w", m.line, m.title, err))
		}
	}
	return errors.Join(errs...)
}

// A typechecker checks the types of a package with the content of one file replaced. The check
// takes milliseconds, while compiling the package would take seconds.
type typechecker struct {
	fset     *token.FileSet
	packages map[string]*listedPackage // by directory
	files    map[string]*ast.File      // by path
	imports  types.Importer
}

// listedPackage is the description of one package in the JSON output of go list.
type listedPackage struct {
	Dir, ImportPath, Export string
	GoFiles                 []string
}

// newTypechecker returns a typechecker for the packages that contain the mutants' files.
func newTypechecker(ctx context.Context, list []mutant, root string) (*typechecker, error) {
	args := []string{"list", "-export", "-deps", "-json=Dir,ImportPath,Export,GoFiles"}
	for _, m := range list {
		args = append(args, "./"+filepath.Dir(m.file))
	}
	slices.Sort(args[4:])
	cmd := exec.CommandContext(ctx, "go", slices.Compact(args)...)
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	c := &typechecker{fset: token.NewFileSet(), packages: map[string]*listedPackage{}, files: map[string]*ast.File{}}
	exports := map[string]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		c.packages[p.Dir], exports[p.ImportPath] = &p, p.Export
	}
	c.imports = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	return c, nil
}

// check type-checks the package that contains a file, as if the file had the given content. It
// returns the errors of the type checker.
func (c *typechecker) check(name, text string) error {
	p := c.packages[filepath.Dir(name)]
	if p == nil || !slices.Contains(p.GoFiles, filepath.Base(name)) {
		return fmt.Errorf("%s is not compiled for %s", name, runtime.GOOS)
	}
	var files []*ast.File
	for _, base := range p.GoFiles {
		path := filepath.Join(p.Dir, base)
		if path == name {
			f, err := parser.ParseFile(c.fset, path, text, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files = append(files, f)
			continue
		}
		if c.files[path] == nil {
			f, err := parser.ParseFile(c.fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			c.files[path] = f
		}
		files = append(files, c.files[path])
	}
	var errs []error
	conf := types.Config{Importer: c.imports, Error: func(err error) { errs = append(errs, err) }}
	_, _ = conf.Check(p.ImportPath, c.fset, files, nil) // conf.Error has the errors
	return errors.Join(errs...)
}
