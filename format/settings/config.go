package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"slipway/diag"
	"slipway/format"
	"slipway/internal/suggest"
	"slipway/source"
)

// section is the section fmt of a configuration file.
type section struct {
	path    string
	source  *source.File
	values  []setting
	exclude []string // the key exclude, outside of the section
}

// setting is a key of the section with its value.
type setting struct{ key, value *yaml.Node }

// config returns the section fmt for the Dockerfile at path. It returns nil if no configuration
// file exists.
func (r *Reader) config(path string) (*section, error) {
	name := r.File
	if name == "" {
		if r.None {
			return nil, nil
		}
		var err error
		if name, err = findConfig(path); err != nil || name == "" {
			return nil, err
		}
	}
	if s, ok := r.configs[name]; ok {
		return s, nil
	}
	data, err := readConfig(name)
	if err == nil && data == nil {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, err
	}
	s, err := parseConfig(name, data)
	if err != nil {
		return nil, err
	}
	if r.configs == nil {
		r.configs = map[string]*section{}
	}
	r.configs[name] = s
	return s, nil
}

// findConfig returns the path of the nearest configuration file in the directory of path and
// above, up to the root of the repository. It returns "" if there is no such file.
func findConfig(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		for _, name := range []string{".slipway.yaml", "slipway.yaml"} {
			info, err := os.Stat(filepath.Join(dir, name))
			switch {
			case err == nil && info.Mode().IsRegular():
				return filepath.Join(dir, name), nil
			case err != nil && !errors.Is(err, fs.ErrNotExist):
				return "", err
			}
		}
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil || dir == filepath.Dir(dir) {
			return "", nil
		}
	}
}

// parseConfig parses a configuration file. Only the section fmt and the key exclude are checked.
func parseConfig(path string, data []byte) (*section, error) {
	s := &section{path: path, source: source.NewFile(path, data)}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 {
		return s, nil
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, s.errorf(top, "want keys and values")
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		switch body := top.Content[i+1]; top.Content[i].Value {
		case "fmt":
			if body.Kind != yaml.MappingNode {
				return nil, s.errorf(body, "fmt: want keys and values")
			}
			for j := 0; j+1 < len(body.Content); j += 2 {
				s.values = append(s.values, setting{body.Content[j], body.Content[j+1]})
			}
		case "exclude":
			if err := body.Decode(&s.exclude); err != nil {
				return nil, s.errorf(body, "exclude: want a list of patterns")
			}
		}
	}
	return s, nil
}

// errorf returns an error at a node of the file.
func (s *section) errorf(n *yaml.Node, text string, args ...any) *diag.Diagnostic {
	start := min(s.source.LineStart(n.Line)+max(n.Column-1, 0), len(s.source.Bytes))
	r := source.Range{File: s.source, Start: start, End: min(start+max(len(n.Value), 1), len(s.source.Bytes))}
	return diag.Errorf(r, text, args...)
}

// key is a key of the section fmt.
type key struct {
	name string
	set  func(opt *format.Options, value string) error
}

// keys returns the keys of the section in the order of suggestions.
func keys() []key {
	return []key{
		{"indent", func(o *format.Options, v string) (err error) {
			o.Indent, err = ParseIndent(v)
			return err
		}},
		{"keyword-case", func(o *format.Options, v string) (err error) {
			o.Keywords, err = ParseKeywordCase(v)
			return err
		}},
		{"max-blank-lines", func(o *format.Options, v string) (err error) {
			o.MaxBlankLines, err = ParseMaxBlankLines(v)
			return err
		}},
		{"shell", boolean(func(o *format.Options, v bool) { o.Shell = v })},
		{"shell-files", boolean(func(o *format.Options, v bool) { o.ShellFiles = v })},
		{"binary-next-line", boolean(func(o *format.Options, v bool) { o.Script.BinaryNextLine = &v })},
		{"space-redirects", boolean(func(o *format.Options, v bool) { o.Script.SpaceRedirects = &v })},
		{"switch-case-indent", boolean(func(o *format.Options, v bool) { o.Script.SwitchCaseIndent = v })},
		{"function-next-line", boolean(func(o *format.Options, v bool) { o.Script.FunctionNextLine = v })},
	}
}

// boolean returns a function that parses true and false.
func boolean(set func(*format.Options, bool)) func(*format.Options, string) error {
	return func(o *format.Options, v string) error {
		if v != "true" && v != "false" {
			return fmt.Errorf("invalid value %q (want true or false)", v)
		}
		set(o, v == "true")
		return nil
	}
}

// apply applies the settings. The first invalid setting is an error.
func (s *section) apply(opt *format.Options) error {
	known := keys()
	for _, v := range s.values {
		i := slices.IndexFunc(known, func(k key) bool { return k.name == v.key.Value })
		if i < 0 {
			var names []string
			for _, k := range known {
				names = append(names, k.name)
			}
			return s.errorf(v.key, "fmt: unknown key %q%s", v.key.Value, suggest.Hint(v.key.Value, names, true))
		}
		if v.value.Kind != yaml.ScalarNode {
			return s.errorf(v.value, "fmt: %s: want one value", v.key.Value)
		}
		if err := known[i].set(opt, v.value.Value); err != nil {
			return s.errorf(v.value, "fmt: %s: %w", v.key.Value, err)
		}
	}
	return nil
}
