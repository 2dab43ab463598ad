package config

import (
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"slipway/diag"
)

// base reads the configuration that the file extends, and makes its settings those of p.cfg. The
// other keys of the file change them.
func (p *parser) base() error {
	f, err := p.file.Base()
	if err != nil || f == nil {
		return err
	}
	base, err := parse(f, p.names)
	if err != nil {
		return err
	}
	from, to := filepath.Dir(base.Path), filepath.Dir(p.cfg.Path)
	base.Context = moved(base.Context, from, to)
	base.Baseline = moved(base.Baseline, from, to)
	base.Path = p.cfg.Path
	*p.cfg = *base
	return nil
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
