package config

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"slipway/diag"
	"slipway/internal/configfile"
	"slipway/internal/suggest"
)

// parser reads a configuration. It stops at the first error.
type parser struct {
	file  *configfile.File
	names Names
	cfg   *Config
	err   *diag.Diagnostic
	set   map[string]diag.Severity // settings of rules that follow the profile
}

// finish applies the profile, and returns the configuration or the error.
func (p *parser) finish(hadolint bool) (*Config, error) {
	if p.err != nil {
		return nil, p.err
	}
	if hadolint {
		p.profile("hadolint")
	}
	for name, s := range p.set {
		p.cfg.Settings.Severity[name] = s
	}
	return p.cfg, nil
}

// fail records an error about a node.
func (p *parser) fail(n *yaml.Node, format string, args ...any) {
	if p.err == nil {
		p.err = p.file.Errorf(n, format, args...)
	}
}

// setters maps the keys of a mapping to functions that read their values.
type setters map[string]func(*yaml.Node)

// mapping reads a mapping with the given keys.
func (p *parser) mapping(n *yaml.Node, keys setters) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.MappingNode {
		p.fail(n, "want keys and values")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		set, ok := keys[key.Value]
		if !ok {
			var all []string
			for k := range keys {
				all = append(all, k)
			}
			slices.Sort(all)
			p.fail(key, "unknown key %q%s", key.Value, suggest.Hint(key.Value, all, true))
			return
		}
		set(n.Content[i+1])
	}
}

// text returns a function that reads a string.
func (p *parser) text(to *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode {
			p.fail(n, "want a string")
			return
		}
		*to = n.Value
	}
}

// flag returns a function that reads a boolean.
func (p *parser) flag(to *bool) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Decode(to) != nil {
			p.fail(n, "want true or false, not %q", n.Value)
		}
	}
}

// list returns a function that reads a string or a list of strings, and adds them to a list.
func (p *parser) list(to *[]string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		list, err := p.file.Strings(n)
		if err != nil && p.err == nil {
			p.err = err
		}
		*to = append(*to, list...)
	}
}

// pairs returns a function that reads a mapping of strings.
func (p *parser) pairs(to *map[string]string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.MappingNode {
			p.fail(n, "want keys and values")
			return
		}
		*to = map[string]string{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			(*to)[n.Content[i].Value] = n.Content[i+1].Value
		}
	}
}

// ignored accepts a value that is read elsewhere.
func ignored(*yaml.Node) {}
