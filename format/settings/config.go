package settings

import (
	"fmt"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"slipway/format"
	"slipway/internal/configfile"
	"slipway/internal/suggest"
)

// config is what a configuration file, and the files that it extends, say about the layout.
type config struct {
	path    string
	fmt     []section
	exclude []string // the patterns of the key exclude
}

// section is the section fmt of a configuration file.
type section struct {
	file *configfile.File
	body *yaml.Node // a mapping
}

// config returns the configuration for the Dockerfile at path. It returns nil if no configuration
// file exists.
func (r *Reader) config(path string) (*config, error) {
	name := r.File
	if name == "" && !r.None {
		name = configfile.Find(filepath.Dir(path), configfile.Names())
	}
	if name == "" {
		return nil, nil
	}
	if c, ok := r.configs[name]; ok {
		return c, nil
	}
	f, err := configfile.Read(name)
	if err != nil {
		return nil, err
	}
	c := &config{path: name}
	if err := c.add(f); err != nil {
		return nil, err
	}
	if r.configs == nil {
		r.configs = map[string]*config{}
	}
	r.configs[name] = c
	return c, nil
}

// add adds a file, after those that it extends. It reads only the section fmt and the keys exclude
// and extends.
func (c *config) add(f *configfile.File) error {
	base, err := f.Base()
	if err == nil && base != nil {
		err = c.add(base)
	}
	if err != nil {
		return err
	}
	if f.Top != nil && f.Top.Kind != yaml.MappingNode {
		return f.Errorf(f.Top, "want keys and values")
	}
	if body := f.Value("fmt"); body != nil && body.Tag != "!!null" {
		if body.Kind != yaml.MappingNode {
			return f.Errorf(body, "fmt: want keys and values")
		}
		c.fmt = append(c.fmt, section{f, body})
	}
	if list := f.Value("exclude"); list != nil {
		patterns, err := f.Strings(list)
		if err != nil {
			return err
		}
		c.exclude = append(c.exclude, patterns...)
	}
	return nil
}

// apply applies the settings. The first invalid setting is an error.
func (c *config) apply(opt *format.Options) error {
	for _, s := range c.fmt {
		if err := s.apply(opt); err != nil {
			return err
		}
	}
	return nil
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

// apply applies the settings of the section.
func (s section) apply(opt *format.Options) error {
	known := keys()
	for i := 0; i+1 < len(s.body.Content); i += 2 {
		name, value := s.body.Content[i], s.body.Content[i+1]
		at := slices.IndexFunc(known, func(k key) bool { return k.name == name.Value })
		if at < 0 {
			var names []string
			for _, k := range known {
				names = append(names, k.name)
			}
			return s.file.Errorf(name, "fmt: unknown key %q%s", name.Value, suggest.Hint(name.Value, names, true))
		}
		if value.Kind != yaml.ScalarNode {
			return s.file.Errorf(value, "fmt: %s: want one value", name.Value)
		}
		if err := known[at].set(opt, value.Value); err != nil {
			return s.file.Errorf(value, "fmt: %s: %w", name.Value, err)
		}
	}
	return nil
}
