package lint

import (
	"context"
	"errors"
	"io/fs"
	"runtime"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint/script"
	"slipway/lint/shellcheck"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// Options describes the build of a file as far as it is known.
type Options struct {
	BuildArgs map[string]string
	Target    string
	Platform  *ocispecs.Platform
	Several   bool            // whether the build is for several platforms
	Contexts  map[string]bool // the names of named contexts
	Ignore    *ignoreFile     // the ignore file of the context; nil if it does not exist
	Listing   *Listing        // the files of the context; nil if they are unknown
	Dir       fs.FS           // the directory of the Dockerfile, for INCLUDE; nil if it is unknown

	// ShellCheck checks scripts with the program ShellCheck. If it is nil, they are not checked.
	ShellCheck *shellcheck.Checker

	// Images returns the config of an image. If it is nil or returns nil, the config is unknown.
	Images func(context.Context, string, plan.ImageQuery) (*plan.Resolved, error)
}

// load parses and plans a file.
func load(ctx context.Context, src *source.File, opt Options, parser *script.Parser) *File {
	f := &File{Source: src, owners: map[*script.Script]*Instruction{}}
	f.Syntax, f.Errors = parseTolerant(src)
	if f.Syntax == nil {
		return f
	}
	f.Errors = append(f.Errors, f.commands(ctx, opt)...)
	resolver := &bases{opt: opt, unknown: map[string]bool{}}
	if len(f.Dockerfile.Stages) > 0 {
		f.plan(ctx, opt, resolver)
	}
	f.stages(func(ref string) bool { return resolver.unknown[ref] })
	f.scripts(parser)
	return f
}

// plan plans the build.
func (f *File) plan(ctx context.Context, opt Options, resolver plan.Resolver) {
	platform := opt.Platform
	if platform == nil {
		platform = &ocispecs.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	po := plan.Options{
		Target: opt.Target, Platform: platform, BuildPlatforms: []ocispecs.Platform{*platform},
		AllStages: true, BuildArgs: opt.BuildArgs, Resolver: resolver,
	}
	if gate := f.Dockerfile.Gate; gate != nil {
		po.Rules, po.ReadFile = gate.Options, opt.readVariables()
	}
	p, err := plan.Build(ctx, f.Dockerfile, po)
	f.Plan = p
	var d *diag.Diagnostic
	switch {
	case err == nil || f.incomplete || len(f.Errors) > 0:
		// An error of the plan may only be a consequence of the earlier ones.
	case errors.As(err, &d):
		f.Errors = append(f.Errors, f.located(ctx, d, f.Dockerfile.Gate, opt))
	default:
		f.Errors = append(f.Errors, &diag.Diagnostic{Message: err.Error(), Range: source.Range{File: f.Source}})
	}
}

// stages builds the stages of the file from the syntax and the plan. The function unknown reports
// whether the config of an image is unknown.
func (f *File) stages(unknown func(ref string) bool) {
	bySyntax := map[*instructions.Stage]*plan.Stage{}
	if f.Plan != nil {
		for _, st := range f.Plan.Stages {
			bySyntax[st.Syntax] = st
		}
	}
	byPlan := map[*plan.Stage]*Stage{}
	for i, syntax := range f.Dockerfile.Stages {
		st := &Stage{Syntax: syntax, Plan: bySyntax[syntax], Index: i}
		st.Orphan = syntax.From.Base.Value == unknownBase && syntax.From.In.Keyword.Len() == 0
		if st.Plan != nil {
			byPlan[st.Plan] = st
		}
		st.Foreign = f.rootOnly && !f.Contains(syntax.From.In.Rng)
		st.first = f.Dockerfile.Stages[0].From.In.Rng.Start
		f.Stages = append(f.Stages, st)
		st.fill(f)
	}
	for _, st := range f.Stages {
		st.link(byPlan, unknown)
	}
	for i, st := range f.Stages {
		st.Leaf = !st.Used || i == len(f.Stages)-1
	}
	if n := len(f.Stages); n > 0 {
		target := f.Stages[n-1]
		if f.Plan != nil && f.Plan.Target != nil && byPlan[f.Plan.Target] != nil {
			target = byPlan[f.Plan.Target]
			target.Leaf = true
		}
		for st := target; st != nil && !st.Shipped; st = st.Base {
			st.Shipped = true
		}
	}
}

// link sets the fields that depend on other stages.
func (st *Stage) link(stages map[*plan.Stage]*Stage, unknown func(ref string) bool) {
	if st.Plan == nil {
		return
	}
	switch b := st.Plan.Base.(type) {
	case *plan.FromStage:
		if st.Base = stages[b.Stage]; st.Base != nil {
			st.Base.Used = true
			st.BaseKnown = st.Base.BaseKnown
		}
	case *plan.FromImage:
		st.BaseKnown = !unknown(b.Ref)
	case plan.Scratch:
		st.BaseKnown = true
	case *plan.FromContext:
	}
	for _, e := range st.Plan.Deps {
		if to := stages[e.To]; to != nil && to != st {
			to.Used = true
		}
	}
}

// fill adds the instructions of the stage.
func (st *Stage) fill(f *File) {
	visits := map[instructions.Command]*plan.Visit{}
	if st.Plan != nil {
		for _, v := range st.Plan.Visits {
			visits[v.Command] = v
		}
	}
	for _, c := range st.Syntax.Commands {
		if f.rootOnly && !f.Contains(c.Syntax().Rng) {
			continue
		}
		in := &Instruction{Command: c, Syntax: c.Syntax(), Stage: st, Visit: visits[c], Index: len(st.Instructions)}
		st.Instructions = append(st.Instructions, in)
		if _, ok := c.(*instructions.Onbuild); !ok {
			continue
		}
		if sub, ok := c.Syntax().Args.(*parser.Sub); ok {
			if trigger, _ := instructions.ParseOne(sub.Instruction); trigger != nil {
				st.Instructions = append(st.Instructions, &Instruction{
					Command: trigger, Syntax: c.Syntax(), Stage: st, Onbuild: true, Index: len(st.Instructions),
				})
			}
		}
	}
}

// scripts finds and parses the scripts of all instructions.
func (f *File) scripts(parser *script.Parser) {
	marks := f.shellMarks()
	for _, st := range f.Stages {
		var shell []string
		for _, in := range st.Instructions {
			if in.Visit != nil {
				shell = in.Visit.Before.Shell
			}
			if st.Plan != nil && st.Plan.Platform != nil && st.Plan.Platform.OS == "windows" && len(shell) == 0 {
				continue
			}
			if _, ok := in.Command.(*instructions.Run); !ok {
				if c, ok := in.Command.(*instructions.Shell); ok && in.Visit == nil && !in.Onbuild {
					shell = c.Shell
				}
				continue
			}
			in.Scripts = parser.Scripts(script.Source{
				Command: in.Command, In: in.Syntax, Shell: shellFor(marks, in, shell), Lookup: in.Lookup, Onbuild: in.Onbuild,
			})
			for _, s := range in.Scripts {
				f.owners[s] = in
			}
			st.Scripts = append(st.Scripts, in.Scripts...)
		}
	}
}

// shellFor returns the shell of an instruction: from a comment # hadolint shell=NAME if there
// is one, otherwise the shell of the stage.
func shellFor(marks []shellMark, in *Instruction, shell []string) []string {
	if name := shellAt(marks, in); name != "" {
		return []string{name, "-c"}
	}
	return shell
}
