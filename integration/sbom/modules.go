package sbom

import (
	"bytes"
	"cmp"
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

	"slipway/integration/checkout"
)

// A Module is a Go module that is linked into a program. The standard library is a module named
// std.
type Module struct {
	Path    string
	Version string   // such as v1.2.3; 1.26.8 for std
	Sum     string   // as in go.sum; "" for std and the main module
	Imports []string // paths of modules
	Texts   []Text
}

// A Text is a licence or a notice of a module.
type Text struct {
	Name string // path below the root of the module
	Data []byte
}

// listedPackage is a package as `go list -json` describes it.
type listedPackage struct {
	ImportPath string
	Dir        string
	Standard   bool
	Imports    []string
	ImportMap  map[string]string
	Module     *struct {
		Path, Version, Sum, Dir string
		Main                    bool
	}
}

// readModules sets the modules of the program, sorted by path, and the main module. Each has at
// least one licence text.
func (b *Bill) readModules(ctx context.Context) error {
	packages, err := b.packages(ctx)
	if err != nil {
		return err
	}
	goroot, err := checkout.Output(b.source.Go(ctx, b.Env, "env", "GOROOT"))
	if err != nil {
		return err
	}
	owner := map[string]string{} // path of the module, by import path
	for _, p := range packages {
		owner[p.ImportPath] = moduleOf(p)
	}
	found := map[string]*Module{}
	for _, p := range packages {
		m := found[owner[p.ImportPath]]
		if m == nil {
			m = newModule(p)
			found[m.Path] = m
		}
		for _, imported := range p.Imports {
			if mapped, ok := p.ImportMap[imported]; ok {
				imported = mapped
			}
			if to := owner[imported]; to != m.Path && to != "" && !slices.Contains(m.Imports, to) {
				m.Imports = append(m.Imports, to)
			}
		}
		root := strings.TrimSpace(string(goroot))
		if !p.Standard {
			root = p.Module.Dir
		}
		if err := m.readTexts(p, root); err != nil {
			return err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(found)) {
		m := found[path]
		slices.Sort(m.Imports)
		slices.SortFunc(m.Texts, func(x, y Text) int { return cmp.Compare(x.Name, y.Name) })
		switch {
		case len(m.Texts) == 0:
			return fmt.Errorf("module %s: has no licence text", strings.TrimSpace(m.Path+" "+m.Version))
		case m.Version == "":
			b.Main = *m
			b.Main.Version = b.source.Version
		default:
			b.Modules = append(b.Modules, *m)
		}
	}
	return nil
}

// packages returns all packages of the program.
func (b *Bill) packages(ctx context.Context) ([]listedPackage, error) {
	out, err := checkout.Output(b.source.Go(ctx, b.Env, "list", "-deps", "-mod=readonly", "-tags", b.Tags,
		"-json=ImportPath,Dir,Standard,Imports,ImportMap,Module", b.Package))
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
func newModule(p listedPackage) *Module {
	if p.Standard {
		return &Module{Path: "std", Version: strings.TrimPrefix(runtime.Version(), "go")}
	}
	return &Module{Path: p.Module.Path, Version: p.Module.Version, Sum: p.Module.Sum}
}

// readTexts adds the licence texts in the directory of p and in its parents, up to the root of
// the module, to m. For the standard library, root is the root directory of Go.
func (m *Module) readTexts(p listedPackage, root string) error {
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
func (m *Module) readDir(dir, rel string) error {
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
		if slices.ContainsFunc(m.Texts, func(t Text) bool { return t.Name == name }) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		m.Texts = append(m.Texts, Text{Name: name, Data: data})
	}
	return nil
}
