package frontend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/diag"
	"slipway/instructions"
	"slipway/linter"
	"slipway/linter/rules"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// check answers as lint does and passes all findings to b.found.
func (b *build) check(ctx context.Context) (*client.Result, error) {
	list, err := b.find(ctx)
	if err != nil {
		return nil, err
	}
	b.found(list)
	answer := lint.LintResults{Sources: []*pb.SourceInfo{b.sourceInfo()}}
	warnings := ofSeverity(list, diag.Warning)
	for _, d := range warnings {
		answer.Warnings = append(answer.Warnings, lintWarning(d))
	}
	if errs := ofSeverity(list, diag.Error); len(errs) > 0 {
		answer.Error = lintError(errs[0])
	} else if err := b.violation(warnings); err != nil {
		answer.Error = lintError(err)
	}
	return answer.ToResult(nil)
}

// ofSeverity returns the diagnostics with severity s.
func ofSeverity(list diag.List, s diag.Severity) diag.List {
	return slices.DeleteFunc(slices.Clone(list), func(d *diag.Diagnostic) bool { return d.Severity != s })
}

// find returns all problems it can find in the file. The error is not about the
// file; it is, for example, the error of ctx.
func (b *build) find(ctx context.Context) (diag.List, error) {
	var list diag.List
	if err := b.configureChecks(); err != nil {
		list = append(list, about(err)...)
	}
	file, faults := parser.Parse(b.file.Source)
	if file == nil {
		return append(list, faults...), nil
	}
	in := linter.Input{File: file}
	b.dockerfile, faults = instructions.Parse(file)
	var unknown *lenientResolver
	if faults.Err() == nil {
		in.Dockerfile = b.dockerfile
		unknown = &lenientResolver{Resolver: b.inputs, failed: map[string]error{}}
		p, err := b.checkPlan(ctx, unknown)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		in.Plan = p
		if err != nil {
			faults = about(err)
		}
	}
	list = append(list, faults...)
	warnings := linter.Run(rules.All(), in, b.checks)
	if unknown != nil && in.Plan != nil {
		warnings = unknown.known(warnings, in.Plan)
		list = append(append(list, warnings...), unknown.notes(in.Plan)...)
	} else {
		list = append(list, warnings...)
	}
	return append(list, nearJSON(file, faults)...), nil
}

// about returns the diagnostics that err consists of.
func about(err error) diag.List {
	var l diag.List
	if errors.As(err, &l) {
		return l
	}
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		return diag.List{d}
	}
	return diag.List{diag.Errorf(source.Range{}, "%w", err)}
}

// checkPlan plans the requested build. Without a target, it plans all stages.
func (b *build) checkPlan(ctx context.Context, r plan.Resolver) (*plan.Plan, error) {
	opt := b.options.Plan
	opt.BuildPlatforms = b.buildPlatforms()
	opt.AllStages = opt.Target == ""
	return plan.Build(ctx, b.dockerfile, b.planOptions(opt, r))
}

// nearJSON returns notes about arguments that resemble JSON arrays but are
// invalid. It skips instructions with an error.
func nearJSON(file *parser.File, faults diag.List) diag.List {
	var notes diag.List
	for _, in := range file.Instructions() {
		near := in.NearJSON()
		if near == nil || slices.ContainsFunc(faults, func(d *diag.Diagnostic) bool { return d.Shown() == in.Rng }) {
			continue
		}
		d := diag.Errorf(near.Range, "this is not a JSON array: %s", near.Reason).In(in.Rng)
		d.Severity = diag.Note
		notes = append(notes, d)
	}
	return notes
}

// checkPatience is the timeout of a check for an image config. It is short
// because a check can continue without the config.
const checkPatience = 10 * time.Second

// lenientResolver is a resolver that replaces an image it cannot resolve with an empty
// config. Safe for concurrent use.
type lenientResolver struct {
	plan.Resolver
	mu     sync.Mutex
	failed map[string]error // by reference
}

// Image implements [plan.Resolver].
func (g *lenientResolver) Image(ctx context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	asking, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	res, err := g.Resolver.Image(asking, ref, q)
	if err == nil || ctx.Err() != nil {
		return res, err
	}
	config, jsonErr := json.Marshal(ocispecs.Image{Platform: *q.Platform})
	if jsonErr != nil {
		return nil, jsonErr
	}
	g.mu.Lock()
	g.failed[ref] = err
	g.mu.Unlock()
	return &plan.Resolved{Ref: ref, Config: config}, nil
}

// notes returns a note for each reference to an image that could not be
// resolved.
func (g *lenientResolver) notes(p *plan.Plan) diag.List {
	var notes diag.List
	add := func(st *plan.Stage, at source.Range) {
		err := g.failed[st.BaseName]
		if err == nil || at.IsZero() || slices.ContainsFunc(notes, func(d *diag.Diagnostic) bool { return d.Range == at }) {
			return
		}
		notes = append(notes, p.HintBase(st, &diag.Diagnostic{
			Severity: diag.Note, Range: at,
			Message: fmt.Sprintf("cannot look up the image, so what it sets is not checked: %v", err),
		}))
	}
	for _, st := range p.Stages {
		if st.Syntax != nil {
			add(st, st.Syntax.From.Base.Text.Range())
		}
		for _, e := range st.Deps {
			if e.To.Syntax == nil {
				add(e.To, e.At)
			}
		}
	}
	return notes
}

// known returns the warnings without those about variables that an unresolved
// image may set.
func (g *lenientResolver) known(warnings diag.List, p *plan.Plan) diag.List {
	unknown := func(d *diag.Diagnostic) bool {
		if d.Code != "UndefinedVar" {
			return false
		}
		var in *plan.Stage
		for _, st := range p.Stages {
			if st.Syntax != nil && st.Syntax.From.In.Rng.Start <= d.Range.Start {
				in = st
			}
		}
		return in != nil && g.failed[root(in).BaseName] != nil
	}
	return slices.DeleteFunc(warnings, unknown)
}

// root returns the stage with the base image of st.
func root(st *plan.Stage) *plan.Stage {
	for {
		f, ok := st.Base.(*plan.FromStage)
		if !ok {
			return st
		}
		st = f.Stage
	}
}
