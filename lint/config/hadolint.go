package config

import (
	"go.yaml.in/yaml/v3"

	"slipway/diag"
	"slipway/lint"
)

// hadolintKeys returns the keys of .hadolint.yaml.
func (p *parser) hadolintKeys() setters {
	c := p.cfg
	return setters{
		"failure-threshold": p.failOn,
		"format":            p.formats,
		"formats":           p.formats,
		"ignored": func(n *yaml.Node) {
			var list []string
			p.list(&list)(n)
			for _, item := range n.Content {
				p.each(p.expand(item), lint.Off, p.setting)
			}
		},
		"label-schema":          p.schema,
		"no-color":              p.flag(&c.NoColor),
		"no-fail":               p.flag(&c.NoFail),
		"override":              p.override,
		"strict-labels":         p.flag(&c.Settings.Rules.StrictLabels),
		"disable-ignore-pragma": p.flag(&c.Settings.DisablePragmas),
		"trustedRegistries":     p.list(&c.Settings.Rules.Registries),
	}
}

// override reads the rules of each severity.
func (p *parser) override(n *yaml.Node) {
	level := func(s diag.Severity) func(*yaml.Node) {
		return func(n *yaml.Node) {
			var list []string
			p.list(&list)(n)
			for _, item := range n.Content {
				p.each(p.expand(item), s, p.setting)
			}
		}
	}
	p.mapping(n, setters{
		"error": level(diag.Error), "warning": level(diag.Warning), "info": level(diag.Info), "style": level(diag.Style),
	})
}
