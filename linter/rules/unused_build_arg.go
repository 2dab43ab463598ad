package rules

import (
	"maps"
	"slices"
	"strings"

	"slipway/instructions"
	"slipway/internal/suggest"
	"slipway/linter"
	"slipway/parser"
	"slipway/plan"
)

// unusedBuildArg reports build arguments that no ARG of the file or of an ONBUILD trigger
// declares.
func unusedBuildArg() *linter.Rule {
	return &linter.Rule{
		Name:        "UnusedBuildArg",
		Description: "An ARG must declare each build argument",
		Checks: linter.Checks{Globals: func(p *linter.Pass, of *plan.Plan) {
			declared := declaredArgs(p, of)
			names := slices.Sorted(maps.Keys(declared))
			for _, name := range slices.Sorted(maps.Keys(of.Options.BuildArgs)) {
				if declared[name] || isBuiltinArg(of, name) {
					continue
				}
				at := p.Dockerfile.Gate.Range
				p.ReportIn(at, at, "build argument %s is declared by no ARG%s", name, suggest.Hint(name, names, true))
			}
		}},
	}
}

// declaredArgs returns the names that ARG instructions declare, also in stages that the build
// does not need.
func declaredArgs(p *linter.Pass, of *plan.Plan) map[string]bool {
	declared := map[string]bool{}
	add := func(c instructions.Command) {
		if arg, ok := c.(*instructions.Arg); ok && !arg.Let {
			for i := range arg.Args {
				declared[arg.Args[i].Key] = true
			}
		}
	}
	files := []*parser.File{p.File}
	for _, other := range p.Dockerfile.Others {
		if other.Dockerfile != nil {
			files = append(files, other.Dockerfile.File)
		}
	}
	for _, f := range files {
		for _, in := range f.Instructions() {
			if !strings.EqualFold(in.Keyword.String(), "arg") {
				continue
			}
			if c, d := instructions.ParseOne(in); d == nil {
				add(c)
			}
		}
	}
	for _, st := range of.Stages {
		for _, v := range st.Visits {
			if v.Onbuild {
				add(v.Command)
			}
		}
	}
	return declared
}

// isBuiltinArg reports whether a build argument has a meaning without an ARG.
func isBuiltinArg(of *plan.Plan, name string) bool {
	if _, ok := of.Predefined.Lookup(name); ok {
		return true
	}
	switch strings.ToLower(name) {
	case "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy", "source_date_epoch":
		return true
	}
	return strings.HasPrefix(name, "BUILDKIT_") || strings.HasPrefix(name, "SLIPWAY_")
}
