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
	"slipway/linter"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// check answers the subrequest lint, and passes all findings to the callback b.callbacks.Found.
func (b *build) check(ctx context.Context) (*client.Result, error) {
	list, err := b.collectFindings(ctx)
	if err != nil {
		return nil, err
	}
	b.callbacks.Found(list)
	answer := lint.LintResults{Sources: []*pb.SourceInfo{b.sourceInfo(nil)}}
	warnings := ofSeverity(list, diag.Warning)
	for _, d := range warnings {
		answer.Warnings = append(answer.Warnings, b.lintWarning(&answer, d))
	}
	if errs := ofSeverity(list, diag.Error); len(errs) > 0 {
		answer.Error = lintError(errs[0])
	} else if err := b.violation(warnings); err != nil {
		answer.Error = lintError(err)
	}
	return answer.ToResult(nil)
}

// ofSeverity returns the diagnostics that have the given severity.
func ofSeverity(list diag.List, s diag.Severity) diag.List {
	return slices.DeleteFunc(slices.Clone(list), func(d *diag.Diagnostic) bool { return d.Severity != s })
}

// collectFindings returns all problems that it can find in the file. It returns an error
// only for a problem outside of the file, such as the cancelation of ctx.
func (b *build) collectFindings(ctx context.Context) (diag.List, error) {
	var list diag.List
	if err := b.configureChecks(); err != nil {
		list = append(list, diagnosticsOf(err)...)
	}
	errs := diagnosticsOf(b.parseFile(ctx))
	if b.dockerfile == nil {
		return append(list, errs...), nil
	}
	in := linter.Input{File: b.dockerfile.File}
	var unknown *lenientResolver
	if errs.Err() == nil {
		in.Dockerfile = b.dockerfile
		unknown = &lenientResolver{Resolver: b.inputs, failed: map[string]error{}}
		p, err := b.checkPlan(ctx, unknown)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		in.Dockerfile, in.Plan = p.Dockerfile, p
		if err != nil {
			errs = diagnosticsOf(err)
		}
	}
	list = append(list, errs...)
	warnings := linter.Run(b.allRules(), in, b.checks)
	if unknown != nil && in.Plan != nil {
		warnings = unknown.withoutUnknown(warnings, in.Plan)
		if errs.Err() == nil {
			warnings = append(warnings, b.optIn(in, func(ref string) bool { return unknown.failed[ref] != nil })...)
		}
		list = append(append(list, warnings...), unknown.notes(in.Plan)...)
	} else {
		list = append(list, warnings...)
	}
	return append(list, nearJSON(in.File, errs)...), nil
}

// diagnosticsOf returns the diagnostics in err. If err contains none, it returns a
// diagnostic without a range.
func diagnosticsOf(err error) diag.List {
	if err == nil {
		return nil
	}
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

// checkPlan plans the requested build with the resolver r. Without a target, it plans all
// stages.
func (b *build) checkPlan(ctx context.Context, r plan.Resolver) (*plan.Plan, error) {
	opt := b.options.Plan
	opt.BuildPlatforms = b.buildPlatforms()
	opt.AllStages = opt.Target == ""
	return plan.Build(ctx, b.dockerfile, b.planOptions(opt, r))
}

// nearJSON returns notes about arguments that look like JSON arrays but are invalid. It skips
// instructions for which the check has already found an error, given in errs.
func nearJSON(file *parser.File, errs diag.List) diag.List {
	var notes diag.List
	for _, in := range file.Instructions() {
		near := in.NearJSON()
		if near == nil || slices.ContainsFunc(errs, func(d *diag.Diagnostic) bool { return d.Shown() == in.Rng }) {
			continue
		}
		d := diag.Errorf(near.Range, "this is not a JSON array: %s", near.Reason).In(in.Rng)
		d.Severity = diag.Note
		notes = append(notes, d)
	}
	return notes
}

// checkTimeout is the timeout for each image config that a check requests. It is short
// because a check can continue without the config.
const checkTimeout = 10 * time.Second

// lenientResolver is a resolver that returns an empty image config for an image that cannot be
// resolved. Safe for concurrent use.
type lenientResolver struct {
	plan.Resolver
	mu     sync.Mutex
	failed map[string]error // errors of images by reference
}

// Image implements [plan.Resolver].
func (g *lenientResolver) Image(ctx context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	timed, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	res, err := g.Resolver.Image(timed, ref, q)
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

// notes returns a note for each reference to an image that could not be resolved.
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

// withoutUnknown returns the warnings, except for those that may be wrong: warnings about
// unset variables in a stage whose base image could not be resolved. The image may set these
// variables.
func (g *lenientResolver) withoutUnknown(warnings diag.List, p *plan.Plan) diag.List {
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
		return in != nil && g.failed[baseStage(in).BaseName] != nil
	}
	return slices.DeleteFunc(warnings, unknown)
}

// baseStage follows the chain of FROM instructions from the stage st to the first stage
// that is not based on another stage, and returns this stage.
func baseStage(st *plan.Stage) *plan.Stage {
	for {
		f, ok := st.Base.(*plan.FromStage)
		if !ok {
			return st
		}
		st = f.Stage
	}
}
