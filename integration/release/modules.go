package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// module is a module that is linked into the program. The standard library is a module named std.
type module struct {
	path    string
	version string // such as v1.2.3; 1.26.8 for std
	sum     string // as in go.sum; "" for std and the main module
	imports []string
	texts   []file // licences and notices, by path below the root of the module
}

// listedPackage is a package as `go list -json` describes it.
type listedPackage struct {
	ImportPath string
	Dir        string
	Root       string // for the standard library, the root of Go
	Standard   bool
	Imports    []string
	ImportMap  map[string]string
	Module     *struct {
		Path, Version, Sum, Dir string
		Main                    bool
	}
}

// modules returns the modules that the program contains on t, sorted by path, and the main
// module. Each has at least one licence text.
func (s *source) modules(ctx context.Context, t target) (main module, deps []module, err error) {
	packages, err := s.packages(ctx, t)
	if err != nil {
		return module{}, nil, err
	}
	owner := map[string]string{} // path of the module, by import path
	for _, p := range packages {
		owner[p.ImportPath] = moduleOf(p)
	}
	found := map[string]*module{}
	for _, p := range packages {
		m := found[owner[p.ImportPath]]
		if m == nil {
			m = newModule(p)
			found[m.path] = m
		}
		for _, imported := range p.Imports {
			if mapped, ok := p.ImportMap[imported]; ok {
				imported = mapped
			}
			if to := owner[imported]; to != m.path && to != "" && !slices.Contains(m.imports, to) {
				m.imports = append(m.imports, to)
			}
		}
		if err := m.readTexts(p); err != nil {
			return module{}, nil, err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(found)) {
		m := found[path]
		slices.Sort(m.imports)
		slices.SortFunc(m.texts, byName)
		switch {
		case len(m.texts) == 0:
			return module{}, nil, fmt.Errorf("module %s: has no licence text", strings.TrimSpace(m.path+" "+m.version))
		case m.version == "":
			main = *m
			main.version = s.version
		default:
			deps = append(deps, *m)
		}
	}
	return main, deps, nil
}

// packages returns all packages of the program on t.
func (s *source) packages(ctx context.Context, t target) ([]listedPackage, error) {
	out, err := output(s.goCommand(ctx, t.env(), "list", "-deps", "-mod=readonly", "-tags", buildTags,
		"-json=ImportPath,Dir,Root,Standard,Imports,ImportMap,Module", program))
	if err != nil {
		return nil, err
	}
	var packages []listedPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listedPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if p.Module == nil && !p.Standard {
			return nil, fmt.Errorf("package %s: belongs to no module", p.ImportPath)
		}
		packages = append(packages, p)
	}
}

// moduleOf returns the path of p's module.
func moduleOf(p listedPackage) string {
	if p.Standard {
		return "std"
	}
	return p.Module.Path
}

// newModule returns the module of p, without imports and texts.
func newModule(p listedPackage) *module {
	if p.Standard {
		return &module{path: "std", version: strings.TrimPrefix(runtime.Version(), "go")}
	}
	return &module{path: p.Module.Path, version: p.Module.Version, sum: p.Module.Sum}
}

// readTexts adds the licence texts in the directory of p and in its parents, up to the root of
// the module, to m. Those of the standard library are in the root of Go.
func (m *module) readTexts(p listedPackage) error {
	root := p.Root
	if !p.Standard {
		root = p.Module.Dir
	}
	for dir := p.Dir; ; dir = filepath.Dir(dir) {
		rel, err := filepath.Rel(root, dir)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return fmt.Errorf("package %s: %s is not below %s", p.ImportPath, dir, root)
		}
		if err := m.readDir(dir, filepath.ToSlash(rel)); err != nil {
			return err
		}
		if rel == "." {
			return nil
		}
	}
}

// readDir adds the licence texts in dir, whose path below the root of the module is rel.
func (m *module) readDir(dir, rel string) error {
	isText := regexp.MustCompile(`(?i)^(licen[cs]es?|copying|copyright|notice|patents|unlicense)([-_.].*)?$`)
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if !e.Type().IsRegular() || !isText.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
			continue
		}
		name := strings.TrimPrefix(rel+"/"+e.Name(), "./")
		if slices.ContainsFunc(m.texts, func(f file) bool { return f.name == name }) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		m.texts = append(m.texts, file{name: name, data: data})
	}
	return nil
}
