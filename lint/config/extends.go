package config

import (
	"errors"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"slipway/diag"
)

// maxDepth is the maximum number of configurations that extend each other.
const maxDepth = 10

// extends accepts the key extends, which base reads before the other keys.
func (p *parser) extends(*yaml.Node) {}

// base reads the configuration that the mapping n extends. Other keys of n change the settings of
// that configuration.
func (p *parser) base(n *yaml.Node) {
	if n.Kind != yaml.MappingNode || isHadolint(p.file.Name) {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "extends" {
			p.load(n.Content[i+1])
			return
		}
	}
}

// load reads the configuration that a node names, and makes its settings those of p.cfg.
func (p *parser) load(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		p.fail(n, "want the path of a configuration")
		return
	}
	if p.depth >= maxDepth {
		p.fail(n, "more than %d configurations extend each other (does one extend itself?)", maxDepth)
		return
	}
	dir := filepath.Dir(p.file.Name)
	path := n.Value
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	base, err := load(path, p.names, p.depth+1)
	var d *diag.Diagnostic
	switch {
	case errors.As(err, &d):
		p.err = d
		return
	case errors.Is(err, os.ErrNotExist):
		p.fail(n, "the configuration %s does not exist", path)
		return
	case err != nil:
		p.fail(n, "%v", err)
		return
	}
	base.Context = moved(base.Context, filepath.Dir(path), dir)
	base.Baseline = moved(base.Baseline, filepath.Dir(path), dir)
	base.Path = p.cfg.Path
	*p.cfg = *base
}

// moved returns a path below the directory from as a path below the directory to.
func moved(path, from, to string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	full := filepath.Join(from, path)
	if rel, err := filepath.Rel(to, full); err == nil {
		return rel
	}
	return full
}

// requireReason reads whether comments that suppress findings need a reason.
func (p *parser) requireReason(n *yaml.Node) {
	var on bool
	p.flag(&on)(n)
	if on {
		p.setting("ignorewithoutreason", diag.Warning)
	}
}

// formats reads the names of formats. They cannot name a file, because linting the files of a
// stranger must not overwrite other files.
func (p *parser) formats(n *yaml.Node) {
	var list []string
	p.list(&list)(n)
	for _, name := range list {
		if !isFormat(name) {
			p.fail(n, "invalid format %q (want the name of a format; -f FORMAT=FILE writes a file)", name)
		}
	}
	p.cfg.Formats = list
}

// isFormat reports whether a text may be the name of a format.
func isFormat(s string) bool {
	for _, c := range []byte(s) {
		if c != '_' && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}
