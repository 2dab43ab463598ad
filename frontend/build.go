package frontend

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"slipway/answers"
	"slipway/diag"
	"slipway/dialect"
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

// build holds the state of one build: the client, the options, the parsed Dockerfile, and
// the functions that receive warnings and findings.
type build struct {
	callbacks   Builder
	client      client.Client
	opts        client.BuildOpts
	options     *options.Options
	inputs      *inputs.Inputs
	file        *inputs.Dockerfile
	dockerfile  *instructions.Dockerfile
	checks      linter.Config
	checksRange source.Range                     // the range of the check directive's value; zero if a build argument or the default sets the checks
	report      func(context.Context, diag.List) // handles the warnings
	maps        map[*source.File]*llb.SourceMap  // the source maps of included files
	rules       dialect.Options                  // the options of the gate and of the caller
	callerRules dialect.Options                  // the options of the caller
}

// Build runs the build or answers the request that the client's options describe. An
// error about the Dockerfile contains its location as errdefs.Source.
func Build(ctx context.Context, c client.Client) (*client.Result, error) {
	return Builder{}.Build(ctx, c)
}

// Builder is a frontend with callbacks, for programs that contain the frontend. All callbacks
// may be nil.
type Builder struct {
	// Follow decides which frontend runs a build. It receives the frontend image in # syntax or
	// BUILDKIT_SYNTAX. If it returns true, or is nil, that frontend runs the build. If it returns
	// false, this frontend runs the build. If it returns an error, the build fails.
	Follow func(ref string) (bool, error)
	// Found receives all problems that a check (the subrequest frontend.lint) finds in the
	// Dockerfile, with their exact ranges: errors in file order, then warnings, then notes. Unlike
	// upstream's check, such a check continues after an error, and an image that cannot be
	// resolved causes only a note. The result for the client, in upstream's format, contains only
	// the first error. If Found is nil, checks work as in upstream.
	Found func(diag.List)
	// Predict asks the builder of a client for the cache states of the operations of a definition,
	// without running them. Subrequests that describe a build call it. If it is nil, or if it
	// returns nil, the cache states in the description are unknown.
	Predict func(ctx context.Context, c client.Client, def *pb.Definition) (*answers.Prediction, error)
	// Planned receives the description of a build before the build starts.
	Planned func(*answers.Plan)
	// HostKeys asks SSH servers of git repositories for their host keys, which become part of the
	// operations. A frontend in a container has no network. If HostKeys is nil, or if it returns an
	// error, the builder decides which keys it accepts.
	HostKeys func(address string) (string, error)
}

// Build is like the function [Build], but uses the callbacks of f.
func (f Builder) Build(ctx context.Context, c client.Client) (*client.Result, error) {
	b := &build{callbacks: f, client: c, opts: c.BuildOpts()}
	res, err := b.start(ctx)
	if err != nil {
		return nil, withFullText(ctx, err)
	}
	return res, nil
}

// start runs the build, answers a subrequest, or hands the build to another frontend.
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
	b.inputs.HostKeys = b.callbacks.HostKeys
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
		return nil, b.withLocations(err)
	}
	return res, nil
}

// run converts the Dockerfile and solves the result for all platforms.
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

// parseBuild parses the Dockerfile and configures the build checks. All requests that convert
// the Dockerfile call parseBuild.
func (b *build) parseBuild(ctx context.Context) error {
	if len(b.file.Source.Bytes) == 0 {
		return diag.Errorf(source.Range{File: b.file.Source}, "the Dockerfile cannot be empty").KeepLocal()
	}
	if err := b.configureChecks(); err != nil {
		return err
	}
	err := b.parseFile(ctx)
	if err != nil && b.dockerfile != nil {
		in := linter.Input{File: b.dockerfile.File, FirstError: firstRange(err)}
		b.report(ctx, linter.Run(b.allRules(), in, b.checks))
	}
	return err
}

// plan plans the build for one platform. If first is true, it also runs the build checks,
// because they run only for the first platform.
func (b *build) plan(ctx context.Context, opt plan.Options, first bool) (*plan.Plan, error) {
	p, err := plan.Build(ctx, b.dockerfile, b.planOptions(opt, b.inputs))
	if !first {
		return p, err
	}
	in := linter.Input{File: b.dockerfile.File, Dockerfile: p.Dockerfile, Plan: p}
	warnings := linter.Run(b.allRules(), in, b.checks)
	if err == nil {
		warnings = append(warnings, b.optIn(in, allKnown)...)
	}
	b.report(ctx, warnings)
	if err == nil {
		err = b.violation(warnings)
	}
	return p, err
}

// allRules returns the build checks for the Dockerfile: upstream's checks and, if the file has a
// gate, the checks of extensions.
func (b *build) allRules() []*linter.Rule {
	list := rules.All()
	if b.dockerfile != nil && b.dockerfile.Gate != nil {
		list = append(list, rules.Extended()...)
	}
	return list
}

// planOptions returns a copy of opt that also contains the resolver r and the names of the
// named contexts.
func (b *build) planOptions(opt plan.Options, r plan.Resolver) plan.Options {
	opt = b.extendedOptions(opt)
	opt.Resolver = r
	opt.Contexts = slices.Sorted(maps.Keys(b.options.NamedContexts))
	return opt
}

// convert plans the build for one platform and lowers the plan to LLB.
func (b *build) convert(ctx context.Context, opt plan.Options, first bool) (*dockerfile2llb.Conversion, error) {
	p, err := b.plan(ctx, opt, first)
	if err != nil {
		return nil, err
	}
	return dockerfile2llb.Emit(ctx, p, b.emitOptions())
}

// emitOptions returns the options for lowering a plan of the build to LLB.
func (b *build) emitOptions() dockerfile2llb.Options {
	return dockerfile2llb.Options{
		Inputs:    b.inputs,
		Caps:      &b.opts.LLBCaps,
		SourceMap: b.file.Map,
		Included:  b.maps,
		HostKeys:  b.callbacks.HostKeys,
	}
}

// solve sends the operations of a converted Dockerfile to the builder and returns the
// reference to the result.
func (b *build) solve(ctx context.Context, r *dockerfile2llb.Conversion) (client.Reference, error) {
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

// redirect hands the build to the frontend image in BUILDKIT_SYNTAX or # syntax. It does
// nothing if another frontend has already redirected the build to this one. The second result
// reports whether another frontend ran the build.
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
