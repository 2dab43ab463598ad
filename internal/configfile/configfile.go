// Package configfile finds and reads the YAML files that configure lint, fmt and lsp.
package configfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"slipway/diag"
	"slipway/internal/regularfile"
	"slipway/source"
)

// Names returns the names of Slipway's configuration file, in the order in which they are tried.
func Names() []string { return []string{".slipway.yaml", "slipway.yaml"} }

// Find returns the path of a file with one of the names in dir, or in the nearest directory above
// that has one, up to the root of the repository. It returns "" if there is no such file.
func Find(dir string, names []string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for {
		for _, name := range names {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path
			}
		}
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil || dir == filepath.Dir(dir) {
			return ""
		}
		dir = filepath.Dir(dir)
	}
}

// maxSize is the maximum size of a configuration file in bytes.
const maxSize = 1 << 20

// maxDepth is the maximum number of configuration files that extend each other.
const maxDepth = 10

// File is a configuration file.
type File struct {
	Source *source.File
	Top    *yaml.Node // nil if the file is empty

	depth int // number of files that extend this one
}

// Read reads a configuration file. Errors about its content are diagnostics.
func Read(path string) (*File, error) { return read(path, 0) }

// read reads a configuration file that depth other files extend.
func read(path string, depth int) (*File, error) {
	data, err := regularfile.Read(path)
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxSize:
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxSize)
	}
	f, err := Parse(source.NewFile(path, data))
	if err != nil {
		return nil, err
	}
	f.depth = depth
	return f, nil
}

// Parse parses a configuration file. Errors are diagnostics.
func Parse(s *source.File) (*File, error) {
	f := &File{Source: s}
	var doc yaml.Node
	if err := yaml.Unmarshal(s.Bytes, &doc); err != nil {
		return nil, f.syntaxError(err)
	}
	if len(doc.Content) > 0 {
		f.Top = doc.Content[0]
	}
	return f, nil
}

// syntaxError converts an error of the YAML library, whose text contains the line.
func (f *File) syntaxError(err error) error {
	line := 1
	if _, rest, ok := strings.Cut(err.Error(), "line "); ok {
		_, _ = fmt.Sscanf(rest, "%d", &line)
	}
	return diag.Errorf(f.Source.LineRange(line, line), "%s", strings.TrimPrefix(err.Error(), "yaml: "))
}

// Errorf returns an error about a node of the file.
func (f *File) Errorf(n *yaml.Node, format string, args ...any) *diag.Diagnostic {
	s := f.Source
	at := source.Range{File: s, Start: min(s.LineStart(n.Line)+max(n.Column-1, 0), len(s.Bytes))}
	at.End = max(at.Start, min(at.Start+max(len(n.Value), 1), s.LineStart(n.Line+1)))
	return diag.Errorf(at, format, args...)
}

// Value returns the value of a key of the file. It returns nil if the file does not have the key.
func (f *File) Value(key string) *yaml.Node {
	if f.Top == nil || f.Top.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(f.Top.Content); i += 2 {
		if f.Top.Content[i].Value == key {
			return f.Top.Content[i+1]
		}
	}
	return nil
}

// Base reads the configuration file that the key extends names, whose settings the other keys of
// f override. It returns nil if f does not have the key.
func (f *File) Base() (*File, error) {
	n := f.Value("extends")
	switch {
	case n == nil:
		return nil, nil
	case n.Kind != yaml.ScalarNode || n.Value == "":
		return nil, f.Errorf(n, "want the path of a configuration")
	case f.depth >= maxDepth:
		return nil, f.Errorf(n, "more than %d configurations extend each other (does one extend itself?)", maxDepth)
	}
	path := n.Value
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(f.Source.Name), path)
	}
	base, err := read(path, f.depth+1)
	var d *diag.Diagnostic
	switch {
	case err == nil || errors.As(err, &d):
		return base, err
	case errors.Is(err, fs.ErrNotExist):
		return nil, f.Errorf(n, "the configuration %s does not exist", path)
	}
	return nil, f.Errorf(n, "%v", err)
}

// Strings returns the texts of a list. A single text is a list of one, and null is an empty list.
func (f *File) Strings(n *yaml.Node) ([]string, *diag.Diagnostic) {
	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!!null" {
			return nil, nil
		}
		return []string{n.Value}, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, f.Errorf(n, "want a list of strings")
	}
	var list []string
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			return nil, f.Errorf(item, "want a string")
		}
		list = append(list, item.Value)
	}
	return list, nil
}
