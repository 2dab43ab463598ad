package rules

import (
	"fmt"
	"strings"

	"slipway/dialect"
	"slipway/instructions"
	"slipway/linter"
)

// gateWithoutSyntax reports a file with a gate that docker build would not pass to this
// frontend: a file without # syntax, or with docker/dockerfile.
func gateWithoutSyntax() *linter.Rule {
	return &linter.Rule{
		Name:        "GateWithoutSyntax",
		Description: "A file with extensions must name a frontend that supports them",
		Checks: linter.Checks{Dockerfile: func(p *linter.Pass, d *instructions.Dockerfile) {
			if s := p.File.Directive("syntax"); s != nil && !isUpstream(s.Value.String()) {
				return
			}
			var effects []string
			if spelling := firstExtension(d); spelling != "" {
				effects = append(effects, "refuses "+spelling)
			}
			if o := d.Gate.Options; o.Strict {
				effects = append(effects, "ignores strict")
			} else if o.Offline {
				effects = append(effects, "ignores network=none")
			}
			if len(effects) > 0 {
				p.ReportIn(d.Gate.Range, d.Gate.Range, "docker build reads this file with docker/dockerfile, which %s", strings.Join(effects, " and "))
			}
		}},
	}
}

// isUpstream reports whether a reference in # syntax is docker/dockerfile in any version.
func isUpstream(ref string) bool {
	ref = strings.TrimPrefix(strings.ToLower(ref), "docker.io/")
	return ref == "docker/dockerfile" || strings.HasPrefix(ref, "docker/dockerfile:") || strings.HasPrefix(ref, "docker/dockerfile@") || strings.HasPrefix(ref, "docker/dockerfile-upstream")
}

// firstExtension returns the first instruction or flag of the file that docker/dockerfile
// refuses, with its line, or "".
func firstExtension(d *instructions.Dockerfile) string {
	if len(d.File.Included) > 0 {
		return "INCLUDE"
	}
	for _, in := range d.File.Instructions() {
		line := in.Rng.Position().Line
		if f, ok := dialect.Find(in.Keyword.String(), ""); ok {
			return fmt.Sprintf("%s (line %d)", f, line)
		}
		for _, flag := range in.Flags {
			if f, ok := dialect.Find(in.Keyword.String(), flag.Name); ok {
				return fmt.Sprintf("--%s (line %d)", f.Flag, line)
			}
		}
	}
	for _, st := range d.Stages {
		if c := st.From.If; c != nil {
			return fmt.Sprintf("IF (line %d)", c.Keyword.Position().Line)
		}
	}
	if refs := d.FileRefs(); len(refs) > 0 {
		return fmt.Sprintf("%s (line %d)", refs[0].Value, refs[0].Text.Range().Position().Line)
	}
	return ""
}
