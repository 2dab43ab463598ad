package rules

import (
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"slipway/diag"
	"slipway/instructions"
	"slipway/internal/suggest"
	"slipway/lint"
	"slipway/lint/script"
	"slipway/plan"
	"slipway/source"
)

// stageRules returns the rules about stages, their arguments and their entry points.
func stageRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "UnreachableStage", Severity: diag.Info, Hadolint: lint.Off,
			Summary: "Each stage should be used or have a name",
			Checks:  lint.Checks{Stage: unreachableStage},
		},
		{
			Name: "CopyFromEmptyStage", Severity: diag.Error, Hadolint: lint.Off,
			Summary: "COPY should not read from a stage without files",
			Checks:  lint.Checks{File: copyFromEmptyStage},
		},
		{
			Name: "GlobalArgNotInStage", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "A stage should declare the global arguments that it uses",
			Checks:  lint.Checks{Stage: globalArgNotInStage},
		},
		{
			Name: "BuildArgUnknown", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "A build argument should be declared in the file",
			Checks:  lint.Checks{File: buildArgUnknown},
		},
		{
			Name: "ArgBustsCache", Severity: diag.Style, Hadolint: lint.Off,
			Summary: "An ARG that changes with each build should follow the steps that do not use it",
			Checks:  lint.Checks{Stage: argBustsCache},
		},
		{
			Name: "NoShellInStage", Severity: diag.Error, Hadolint: lint.Off,
			Summary: "A stage from scratch has no shell for RUN",
			Checks:  lint.Checks{Stage: noShellInStage},
		},
		{
			Name: "CmdLostByEntrypoint", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "ENTRYPOINT should not drop the CMD of the base image by accident",
			Checks:  lint.Checks{Stage: cmdLostByEntrypoint},
		},
		{
			Name: "CmdIgnored", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "CMD has no effect with an ENTRYPOINT in shell form",
			Checks:  lint.Checks{Stage: cmdIgnored},
		},
	}
}

func unreachableStage(p *lint.Pass, st *lint.Stage) {
	if st.Syntax.Name == "" && !st.Leaf && !st.Used || st.Leaf && st.Syntax.Name == "" && st.Index < len(p.File.Stages)-1 && !st.Shipped {
		p.Report(st.Syntax.From.Base.Text.Range(), "no stage and no build uses this stage, because it has no name")
	}
}

func copyFromEmptyStage(p *lint.Pass) {
	if p.File.Plan == nil {
		return
	}
	for _, st := range p.File.Plan.Stages {
		for _, e := range st.Deps {
			if _, scratch := e.To.Base.(plan.Scratch); !scratch || e.To.Syntax == nil || e.To.Replaced != nil || e.At.File != p.File.Syntax.Source {
				continue
			}
			empty := true
			for _, c := range e.To.Syntax.Commands {
				switch c.(type) {
				case *instructions.Copy, *instructions.Run, *instructions.Workdir:
					empty = false
				default:
				}
			}
			if c, ok := e.By.(*instructions.Copy); ok && empty && c.From.Value != "" {
				p.Report(e.At, "the stage %s has no files", e.At)
			}
		}
	}
}

// globals returns the declarations of the arguments before the first FROM by name.
func globals(p *lint.Pass) map[string]*instructions.ArgDecl {
	if p.File.Plan == nil || len(p.File.Plan.Declarations) == 0 {
		return nil
	}
	m := map[string]*instructions.ArgDecl{}
	for _, g := range p.File.Plan.Declarations {
		m[g.Decl.Key] = g.Decl
	}
	return m
}

func globalArgNotInStage(p *lint.Pass, st *lint.Stage) {
	declared := globals(p)
	if len(declared) == 0 || st.Orphan {
		return
	}
	seen := map[string]bool{}
	report := func(name string, at source.Range) {
		if declared[name] == nil || seen[name] || !st.BaseKnown && strings.Contains(strings.ToUpper(name), strings.ToUpper(baseName(st))) && baseName(st) != "" {
			return // many images set a variable such as NODE_VERSION
		}
		seen[name] = true
		f := p.Report(at, "%s has no value in the stage, because it is only declared before FROM", name)
		f.Hint = "declare ARG " + name + " in the stage"
		from := st.Syntax.From.In.Rng
		if strings.HasSuffix(from.String(), "\n") {
			f.Fix("declare the argument in the stage", false, lint.InsertAfter(from, "ARG "+name+"\n"))
		}
		f.Related = append(f.Related, diag.Related{Range: declared[name].Word.Text.Range(), Message: "declared before FROM"})
	}
	for _, in := range st.Instructions {
		if in.Visit == nil {
			continue
		}
		for _, fact := range in.Visit.Facts {
			u, ok := fact.(*plan.Unset)
			if !ok || u.Word.Text.String() != u.Word.Value {
				continue
			}
			for _, use := range u.Uses {
				report(use.Name, u.Word.Text.Slice(use.Offset, use.End).Range())
			}
		}
		for _, s := range in.Scripts {
			unsetInScript(in, s, declared, report)
		}
	}
}

// unsetInScript calls report for each of the given variables that a script uses and does not
// set, if the stage does not set them either.
func unsetInScript(in *lint.Instruction, s *script.Script, names map[string]*instructions.ArgDecl, report func(string, source.Range)) {
	if s.Tree == nil || s.Outer != nil {
		return
	}
	assigned := map[string]bool{}
	syntax.Walk(s.Tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Assign:
			if n.Name != nil {
				assigned[n.Name.Value] = true
			}
		case *syntax.WordIter:
			assigned[n.Name.Value] = true
		case *syntax.CallExpr:
			for _, a := range n.Args {
				name, _, _ := strings.Cut(a.Lit(), "=")
				assigned[name] = true // read NAME, export NAME=VALUE
			}
		}
		return true
	})
	syntax.Walk(s.Tree, func(n syntax.Node) bool {
		x, ok := n.(*syntax.ParamExp)
		if !ok || x.Param == nil || x.Exp != nil || names[x.Param.Value] == nil {
			return true
		}
		if name := x.Param.Value; !assigned[name] && !setBefore(in, name) {
			report(name, s.NodeRange(x))
		}
		return true
	})
}

func buildArgUnknown(p *lint.Pass) {
	if len(p.Options.BuildArgs) == 0 || len(p.File.Dockerfile.Stages) == 0 || p.File.Plan == nil {
		return
	}
	declared := map[string]bool{}
	add := func(c *instructions.Arg) {
		for _, a := range c.Args {
			declared[a.Key] = true
		}
	}
	for _, c := range p.File.Dockerfile.Args {
		add(c)
	}
	for _, st := range p.File.Dockerfile.Stages {
		for _, c := range st.Commands {
			if a, ok := c.(*instructions.Arg); ok {
				add(a)
			}
		}
	}
	for _, st := range p.File.Plan.Stages {
		for _, v := range st.Visits {
			if a, ok := v.Command.(*instructions.Arg); ok {
				add(a) // also in a trigger of a base image
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Options.BuildArgs)) {
		if declared[name] || hasAnyPrefix(name, "BUILDKIT_", "SLIPWAY_", "TARGET", "BUILD") || is(strings.ToUpper(name), "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY", "SOURCE_DATE_EPOCH") {
			continue
		}
		f := p.Report(p.File.Dockerfile.Stages[0].From.In.Keyword.Range(), "the build argument %s has no effect, because no ARG declares it", name)
		if near, ok := suggest.Near(name, slices.Sorted(maps.Keys(declared))); ok {
			f.Hint = "did you mean " + near + "?"
		}
	}
}

// changingArgs returns the names of arguments that usually change with each build.
func changingArgs() []string {
	return []string{
		"GIT_SHA", "GIT_COMMIT", "GIT_HASH", "GIT_REF", "GIT_REVISION", "COMMIT", "COMMIT_SHA", "COMMIT_HASH", "SHA", "REVISION", "VCS_REF",
		"BUILD_DATE", "BUILD_TIME", "BUILD_NUMBER", "BUILD_ID", "BUILD_TIMESTAMP", "CI_COMMIT_SHA", "CI_PIPELINE_ID", "GITHUB_SHA", "GITHUB_RUN_ID", "SOURCE_COMMIT", "CACHEBUST", "CACHE_BUST",
	}
}

func argBustsCache(p *lint.Pass, st *lint.Stage) {
	for i, in := range st.Instructions {
		c, ok := in.Command.(*instructions.Arg)
		if !ok || in.Onbuild {
			continue
		}
		for _, a := range c.Args {
			if !is(a.Key, changingArgs()...) || is(a.Key, "CACHEBUST", "CACHE_BUST") {
				continue
			}
			for _, later := range st.Instructions[i+1:] {
				if strings.Contains(later.Syntax.Rng.String(), a.Key) {
					break
				}
				if _, run := later.Command.(*instructions.Run); run && !later.Onbuild {
					p.Report(a.Word.Text.Range(), "each new value of %s runs the RUN steps below again (move ARG to the first step that uses it)", a.Key)
					break
				}
			}
		}
	}
}

func noShellInStage(p *lint.Pass, st *lint.Stage) {
	for _, in := range st.Instructions {
		switch c := in.Command.(type) {
		case *instructions.Copy:
			return
		case *instructions.Shell:
			return
		case *instructions.Run:
			x := in.Step()
			if root(st) == nil || !isScratch(root(st)) || st.Base != nil || x == nil || in.Onbuild {
				return
			}
			if len(x.Mounts) == 0 && c.Shell {
				p.Report(in.Syntax.Keyword.Range(), "the step fails, because a stage from scratch has no shell")
			}
			return
		default:
		}
	}
}

// root returns the first stage of the chain of bases of a stage.
func root(st *lint.Stage) *lint.Stage {
	for st.Base != nil {
		st = st.Base
	}
	return st
}

// isScratch reports whether a stage starts from scratch.
func isScratch(st *lint.Stage) bool {
	if st.Plan == nil || st.Orphan {
		return false
	}
	_, scratch := st.Plan.Base.(plan.Scratch)
	return scratch
}

func cmdLostByEntrypoint(p *lint.Pass, st *lint.Stage) {
	if !st.Leaf || !st.BaseKnown || st.Plan == nil || st.Plan.BaseImage == nil || len(st.Plan.BaseImage.Config.Cmd) == 0 || len(st.Plan.Image.Config.Cmd) > 0 {
		return
	}
	for _, in := range st.Instructions {
		if c, ok := in.Command.(*instructions.Entrypoint); ok && !in.Onbuild {
			p.Report(c.In.Keyword.Range(), "ENTRYPOINT drops the CMD of the base image, %q", st.Plan.BaseImage.Config.Cmd)
			return
		}
	}
}

func cmdIgnored(p *lint.Pass, st *lint.Stage) {
	if !st.Leaf {
		return
	}
	var entrypoint *instructions.Entrypoint
	var cmd *instructions.Cmd
	for s := st; s != nil; s = s.Base {
		for _, in := range slices.Backward(s.Instructions) {
			switch c := in.Command.(type) {
			case *instructions.Entrypoint:
				if entrypoint == nil && !in.Onbuild {
					entrypoint = c
				}
			case *instructions.Cmd:
				if cmd == nil && !in.Onbuild {
					cmd = c
				}
			default:
			}
		}
	}
	if entrypoint == nil || cmd == nil || !entrypoint.Shell || len(entrypoint.Args) == 0 || len(cmd.Args) == 0 || cmd.Shell || entrypoint.In.NearJSON() != nil {
		return
	}
	f := p.Report(cmd.In.Keyword.Range(), "CMD has no effect, because the shell form of ENTRYPOINT takes no arguments")
	f.Related = append(f.Related, diag.Related{Range: entrypoint.In.Keyword.Range(), Message: "the ENTRYPOINT"})
}
