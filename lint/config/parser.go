package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/source"
)

// parser reads a configuration. It stops at the first error.
type parser struct {
	file  *source.File
	names Names
	cfg   *Config
	err   *diag.Diagnostic
	depth int                      // the number of files that extend this one
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
	if p.err != nil {
		return
	}
	at := source.Range{File: p.file, Start: min(p.file.LineStart(n.Line)+max(n.Column-1, 0), len(p.file.Bytes))}
	at.End = min(at.Start+max(len(n.Value), 1), p.file.LineStart(n.Line+1))
	at.End = max(at.End, at.Start)
	p.err = diag.Errorf(at, format, args...)
}

// syntaxError converts an error of the YAML library, whose text contains the line.
func (p *parser) syntaxError(err error) error {
	line := 1
	var te *yaml.TypeError
	if !errors.As(err, &te) {
		if _, rest, ok := strings.Cut(err.Error(), "line "); ok {
			_, _ = fmt.Sscanf(rest, "%d", &line)
		}
	}
	at := p.file.LineRange(line, line)
	return diag.Errorf(at, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
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

// list returns a function that reads a string or a list of strings.
func (p *parser) list(to *[]string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		switch n.Kind {
		case yaml.ScalarNode:
			if n.Tag != "!!null" {
				*to = append(*to, n.Value)
			}
		case yaml.SequenceNode:
			for _, item := range n.Content {
				if item.Kind != yaml.ScalarNode {
					p.fail(item, "want a string")
					return
				}
				*to = append(*to, item.Value)
			}
		default:
			p.fail(n, "want a list of strings")
		}
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

// ignored accepts a value that other commands read.
func ignored(*yaml.Node) {}
