package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/lint"
)

// ownKeys returns the keys of .slipway.yaml.
func (p *parser) ownKeys() setters {
	c := p.cfg
	return setters{
		"profile": func(n *yaml.Node) { p.profileNode(n) },
		"rules":   func(n *yaml.Node) { p.rules(n, p.setting) },
		"fail-on": p.failOn,
		"targets": func(n *yaml.Node) {
			var list []string
			if p.list(&list)(n); len(list) > 0 {
				c.Target = list[len(list)-1]
			}
		},
		"context":               p.text(&c.Context),
		"build-args":            p.pairs(&c.Args),
		"files":                 p.files,
		"exclude":               p.list(&c.Exclude),
		"baseline":              p.text(&c.Baseline),
		"format":                p.formats,
		"no-color":              p.flag(&c.NoColor),
		"disable-ignore-pragma": p.flag(&c.Settings.DisablePragmas),
		"formats":               p.formats,
		"extends":               ignored, // base has read it
		"require-reason":        p.requireReason,
		"shellcheck":            p.shellCheck,
		"resolve":               p.resolve,
		"fmt":                   ignored,
		"lsp":                   ignored,
	}
}

// setting records the severity of a rule.
func (p *parser) setting(name string, s diag.Severity) {
	if p.set == nil {
		p.set = map[string]diag.Severity{}
	}
	p.set[name] = s
}

// failOn reads the lowest severity that makes the command fail.
func (p *parser) failOn(n *yaml.Node) {
	if n.Value == "none" {
		p.cfg.NoFail = true
		return
	}
	s, ok := Severity(n.Value)
	if !ok || s == lint.Off {
		p.fail(n, "unknown severity %q (want error, warning, info, style or none)", n.Value)
		return
	}
	p.cfg.FailOn = &s
}

// Severity returns the severity with the given name.
func Severity(name string) (diag.Severity, bool) {
	switch name {
	case "error":
		return diag.Error, true
	case "warning":
		return diag.Warning, true
	case "info":
		return diag.Info, true
	case "style":
		return diag.Style, true
	case "off", "ignore":
		return lint.Off, true
	}
	return 0, false
}

// rules reads the settings of rules.
func (p *parser) rules(n *yaml.Node, set func(string, diag.Severity)) {
	if n.Kind != yaml.MappingNode {
		p.fail(n, "want names of rules and their severities")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Value == "labels" {
			p.labels(value)
			continue
		}
		names := p.expand(key)
		switch {
		case value.Kind == yaml.MappingNode:
			p.ruleOptions(names, value, set)
		case value.Tag == "!!bool" && value.Value == "false":
			p.each(names, lint.Off, set)
		default:
			s, ok := Severity(value.Value)
			if !ok {
				p.fail(value, "unknown severity %q (want error, warning, info, style or off)", value.Value)
				return
			}
			p.each(names, s, set)
		}
	}
}

// each sets the severity of rules.
func (p *parser) each(names []string, s diag.Severity, set func(string, diag.Severity)) {
	for _, n := range names {
		set(n, s)
	}
}

// expand returns the rules that a name or pattern selects.
func (p *parser) expand(n *yaml.Node) []string {
	names := p.names.Expand(n.Value)
	if len(names) == 0 {
		p.fail(n, "unknown rule %q%s", n.Value, suggest.Hint(n.Value, p.names.Names(), true))
	}
	return names
}

// ruleOptions reads the options of a rule.
func (p *parser) ruleOptions(names []string, n *yaml.Node, set func(string, diag.Severity)) {
	unresolved := ""
	p.mapping(n, setters{
		"severity": func(n *yaml.Node) {
			s, ok := Severity(n.Value)
			if !ok {
				p.fail(n, "unknown severity %q (want error, warning, info, style or off)", n.Value)
			}
			p.each(names, s, set)
		},
		"registries": p.list(&p.cfg.Settings.Rules.Registries),
		"unresolved": p.text(&unresolved),
	})
	p.cfg.Settings.Rules.AllowUnresolved = p.cfg.Settings.Rules.AllowUnresolved || unresolved == "allow"
}

// labels reads the label schema.
func (p *parser) labels(n *yaml.Node) {
	p.mapping(n, setters{"schema": p.schema, "strict": p.flag(&p.cfg.Settings.Rules.StrictLabels)})
}

// schema reads the keys and types of labels.
func (p *parser) schema(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		p.fail(n, "want keys of labels and their types")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, kind := n.Content[i], n.Content[i+1]
		if !slices.Contains(LabelTypes(), kind.Value) {
			p.fail(kind, "unknown type of label %q (want %s)", kind.Value, strings.Join(LabelTypes(), ", "))
			return
		}
		p.cfg.Settings.Rules.Labels = append(p.cfg.Settings.Rules.Labels, lint.Label{Key: key.Value, Type: kind.Value})
	}
}

// LabelTypes returns the types of a label schema.
func LabelTypes() []string {
	return []string{"text", "rawtext", "url", "rfc3339", "spdx", "hash", "semver", "email"}
}

// files reads the settings for some files.
func (p *parser) files(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		p.fail(n, "want a list")
		return
	}
	for _, item := range n.Content {
		o := Override{Severity: map[string]diag.Severity{}}
		p.mapping(item, setters{
			"match": p.text(&o.Match),
			"rules": func(n *yaml.Node) {
				p.rules(n, func(name string, s diag.Severity) { o.Severity[name] = s })
			},
		})
		p.cfg.Files = append(p.cfg.Files, o)
	}
}

// profileNode reads the name of a profile.
func (p *parser) profileNode(n *yaml.Node) {
	if !p.profile(n.Value) {
		p.fail(n, "unknown profile %q (want recommended, hadolint, all or none)", n.Value)
	}
}

// profile sets the severities of a profile. It returns false if the name is unknown.
func (p *parser) profile(name string) bool {
	return p.cfg.Profile(name, p.names.Rules())
}

// Profile sets the severities of the rules to those of a profile. It returns false if the name of
// the profile is unknown.
func (c *Config) Profile(name string, rules []*lint.Rule) bool {
	for _, r := range rules {
		key := strings.ToLower(r.Name)
		switch name {
		case "recommended":
		case "hadolint":
			c.Hadolint = true
			c.Settings.Severity[key] = r.Hadolint
		case "all":
			if r.Severity == lint.Off {
				c.Settings.Severity[key] = diag.Info
			}
		case "none":
			c.Settings.Severity[key] = lint.Off
			c.Settings.Severity["sc*"] = lint.Off
		default:
			return false
		}
	}
	return true
}

// resolve reads how base images are looked up. Only a flag can allow registries, because linting
// the files of a stranger must not contact the stranger's servers.
func (p *parser) resolve(n *yaml.Node) {
	switch n.Value {
	case "cached", "never":
		p.cfg.Resolve = n.Value
	default:
		p.fail(n, "invalid value %q (want cached or never; --resolve=always asks registries)", n.Value)
	}
}

// shellCheck reads the settings of ShellCheck. They cannot name a program, because linting the
// files of a stranger must not run the stranger's programs.
func (p *parser) shellCheck(n *yaml.Node) {
	p.mapping(n, setters{
		"path": func(n *yaml.Node) {
			switch n.Value {
			case "auto", "off":
				p.cfg.ShellCheck = n.Value
			default:
				p.fail(n, "invalid value %q (want auto or off; --shellcheck sets another program)", n.Value)
			}
		},
		"exclude": func(n *yaml.Node) {
			var list []string
			p.list(&list)(n)
			for _, name := range list {
				if !lint.IsShellCheck(name) {
					p.fail(n, "invalid code of ShellCheck %q (want a code such as SC2086)", name)
				}
				p.setting(strings.ToLower(name), lint.Off)
			}
		},
	})
}
