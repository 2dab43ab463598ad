package frontend

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"slipway/diag"
	"slipway/dockerfile2llb"
	"slipway/frontend/inputs"
	"slipway/frontend/options"
	"slipway/instructions"
	"slipway/linter"
	"slipway/linter/rules"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// build is one build on its way to a result.
type build struct {
	client     client.Client
	opts       client.BuildOpts
	options    *options.Options
	inputs     *inputs.Inputs
	file       *inputs.Dockerfile
	dockerfile *instructions.Dockerfile
	checks     linter.Config
	checksAt   source.Range                     // of checks in the file; zero if they are a build argument or the default
	report     func(context.Context, diag.List) // what becomes of warnings

	follow func(ref string) (bool, error) // whether to hand the build to the frontend ref; nil always does
	found  func(diag.List)                // receives what a check finds; nil checks as upstream does
}

// Build builds what the options of the client ask for. Errors about the
// Dockerfile carry their place as errdefs.Source.
func Build(ctx context.Context, c client.Client) (*client.Result, error) {
	return Following(nil)(ctx, c)
}

// Following returns a [Build] that calls follow before it hands a build to the
// frontend that # syntax or BUILDKIT_SYNTAX names. If follow returns false, the
// build stays with this frontend; if it returns an error, the build fails. If
// follow is nil, every frontend is followed.
func Following(follow func(ref string) (bool, error)) client.BuildFunc {
	return Checking(follow, nil)
}

// Checking returns [Following] with a check (frontend.lint) that finds everything
// that is wrong with the Dockerfile: all errors in file order, then warnings, then
// notes. Unlike upstream's, it goes on after an error, and an image that cannot be
// looked up is a note. The list, which found receives, has exact ranges; the
// answer, in upstream's form, has the first error.
func Checking(follow func(ref string) (bool, error), found func(diag.List)) client.BuildFunc {
	return func(ctx context.Context, c client.Client) (*client.Result, error) {
		b := &build{client: c, opts: c.BuildOpts(), follow: follow, found: found}
		res, err := b.start(ctx)
		if err != nil {
			return nil, whole(ctx, err)
		}
		return res, nil
	}
}

// start builds, or hands the build on.
func (b *build) start(ctx context.Context) (*client.Result, error) {
	if err := b.opts.LLBCaps.Supports(pb.CapFileBase); err != nil {
		return nil, fmt.Errorf("needs BuildKit 0.5 or later: %w", err)
	}
	var err error
	if b.options, err = options.Parse(b.opts.Opts); err != nil {
		return nil, err
	}
	forward, missing := checkCaps(b.options.Caps)
	if missing != nil && !forward {
		return nil, missing
	}
	b.inputs = inputs.New(b.client, b.options)
	b.report = b.warn
	if b.file, err = b.inputs.Dockerfile(ctx); err != nil {
		return nil, err
	}
	if res, done, err := b.redirect(ctx); done || err != nil {
		return res, err
	}
	if missing != nil {
		return nil, missing
	}
	if id := b.options.RequestID; id != nil {
		return b.subrequest(ctx, *id)
	}
	res, err := b.run(ctx)
	if err != nil {
		return nil, b.located(err)
	}
	return res, nil
}

// run converts and solves.
func (b *build) run(ctx context.Context) (*client.Result, error) {
	scan, err := b.scanner(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.parseBuild(ctx); err != nil {
		return nil, err
	}
	defer b.inputs.ReadAhead(ctx)()
	results, err := b.platforms(ctx)
	if err != nil {
		return nil, err
	}
	res, err := b.assemble(results)
	if err != nil {
		return nil, err
	}
	return res, b.attest(ctx, res, scan, results)
}

// parseBuild is parse for what ends in a conversion, with build checks.
func (b *build) parseBuild(ctx context.Context) error {
	if len(b.file.Source.Bytes) == 0 {
		return diag.Errorf(source.Range{File: b.file.Source}, "the Dockerfile cannot be empty").KeepLocal()
	}
	if err := b.configureChecks(); err != nil {
		return err
	}
	err := b.parse()
	if err != nil && b.dockerfile != nil {
		in := linter.Input{File: b.dockerfile.File, Failed: firstRange(err)}
		b.report(ctx, linter.Run(rules.All(), in, b.checks))
	}
	return err
}

// parse reads what the Dockerfile says. If that is an error of an instruction,
// the Dockerfile is there all the same.
func (b *build) parse() error {
	file, diags := parser.Parse(b.file.Source)
	if err := diags.Err(); err != nil {
		return err
	}
	b.dockerfile, diags = instructions.Parse(file)
	return diags.Err()
}

// plan plans the build for one platform, and runs build checks over it if it is
// the first one.
func (b *build) plan(ctx context.Context, opt plan.Options, first bool) (*plan.Plan, error) {
	p, err := plan.Build(ctx, b.dockerfile, b.planOptions(opt, b.inputs))
	if !first {
		return p, err
	}
	warnings := linter.Run(rules.All(), linter.Input{File: b.dockerfile.File, Dockerfile: b.dockerfile, Plan: p}, b.checks)
	b.report(ctx, warnings)
	if err == nil {
		err = b.violation(warnings)
	}
	return p, err
}

// planOptions adds to the options of a plan whom it asks and what hints list.
func (b *build) planOptions(opt plan.Options, r plan.Resolver) plan.Options {
	opt.Resolver = r
	opt.Contexts = slices.Sorted(maps.Keys(b.options.Named))
	return opt
}

// convert plans the build for one platform and says it in LLB.
func (b *build) convert(ctx context.Context, opt plan.Options, first bool) (*dockerfile2llb.Result, error) {
	p, err := b.plan(ctx, opt, first)
	if err != nil {
		return nil, err
	}
	return dockerfile2llb.Emit(ctx, p, dockerfile2llb.Options{
		Inputs:    b.inputs,
		Caps:      &b.opts.LLBCaps,
		SourceMap: b.file.Map,
	})
}

// solve has the builder make the result.
func (b *build) solve(ctx context.Context, r *dockerfile2llb.Result) (client.Reference, error) {
	def, err := r.Marshal(ctx)
	if err != nil {
		return nil, &marshalError{err}
	}
	if err := checkOps(&b.opts.LLBCaps, def); err != nil {
		return nil, err
	}
	req := client.SolveRequest{Definition: def}
	for _, c := range b.options.CacheImports {
		req.CacheImports = append(req.CacheImports, client.CacheOptionsEntry{Type: c.Type, Attrs: c.Attrs})
	}
	res, err := b.client.Solve(ctx, req)
	if err != nil {
		return nil, err
	}
	return res.SingleRef()
}

// redirect hands the build to the frontend that BUILDKIT_SYNTAX or # syntax
// names, unless that is how we were chosen.
func (b *build) redirect(ctx context.Context) (*client.Result, bool, error) {
	if b.options.Redirected {
		return nil, false, nil
	}
	if arg, ok := b.options.Plan.BuildArgs["BUILDKIT_SYNTAX"]; ok {
		res, done, err := b.forward(ctx, firstWord(arg), arg)
		if err != nil && len(errdefs.Sources(err)) == 0 {
			err = fmt.Errorf("failed with build-arg:BUILDKIT_SYNTAX = %s: %w", arg, err)
		}
		return res, done, err
	}
	ref, cmdline, line, ok := parser.Syntax(b.file.Source.Bytes)
	if !ok {
		return nil, false, nil
	}
	res, done, err := b.forward(ctx, ref, cmdline)
	if err != nil && len(errdefs.Sources(err)) == 0 {
		err = b.withSource(err, b.file.Source.LineRange(line, line))
	}
	return res, done, err
}
