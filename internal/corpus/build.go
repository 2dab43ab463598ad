package corpus

import (
	"context"
	"slices"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/subrequests/convertllb"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/frontend/subrequests/outline"
	"github.com/moby/buildkit/util/apicaps"

	"slipway/diag"
	"slipway/frontend/inputs"
	"slipway/frontend/options"
	"slipway/instructions"
	"slipway/internal/golden"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// Build contains the parsed inputs of the build of a case for one target platform. Tests use
// them to plan the build.
type Build struct {
	Platform   string // target platform, for example linux/arm64; "" if the build does not set one
	Dockerfile *instructions.Dockerfile
	Plan       plan.Options // options of the plan, including Platform and a resolver
	Inputs     *inputs.Inputs
	Map        *llb.SourceMap // source map of the Dockerfile
	Caps       apicaps.CapSet
	Request    string // subrequest, such as frontend.outline; "" for a build
}

// IsBuild reports whether b builds an image. It returns false if b answers a subrequest, such as
// frontend.outline.
func (b *Build) IsBuild() bool { return b.Request == "" }

// plannedRequests returns the names of the subrequests for which the frontend plans the build.
func plannedRequests() []string {
	return []string{lint.RequestLint, outline.RequestSubrequestsOutline, convertllb.RequestConvertLLB}
}

// Open reads the Dockerfile of a case as the frontend does. It returns one Build for each target
// platform. The parameter platform is the value of the frontend option "platform". If it is "",
// the option is not set.
//
// Open returns no Build in two cases, because the frontend then makes no plan: another frontend
// image runs the build, or a subrequest needs only the text of the Dockerfile.
func Open(ctx context.Context, c *golden.Case, platform string) ([]Build, error) {
	client, err := NewClient(c, platform)
	if err != nil {
		return nil, err
	}
	o, err := options.Parse(client.opts.Opts)
	if err != nil {
		return nil, err
	}
	if o.RequestID != nil && !slices.Contains(plannedRequests(), *o.RequestID) {
		return nil, nil
	}
	in := inputs.New(client, o)
	file, err := in.Dockerfile(ctx)
	if err != nil {
		return nil, err
	}
	if _, _, _, ok := parser.Syntax(file.Source.Bytes); ok || o.Plan.BuildArgs["BUILDKIT_SYNTAX"] != "" {
		if !o.Redirected {
			return nil, nil
		}
	}
	if len(file.Source.Bytes) == 0 {
		return nil, diag.Errorf(source.Range{File: file.Source}, "the Dockerfile cannot be empty")
	}
	parsed, diags := parser.Parse(file.Source)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	dockerfile, diags := instructions.Parse(parsed)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	b := Build{
		Dockerfile: dockerfile, Plan: o.Plan, Inputs: in, Map: file.Map,
		Caps: client.opts.LLBCaps,
	}
	b.Plan.Resolver = in
	b.Plan.Contexts = sortedKeys(o.NamedContexts)
	b.Plan.BuildPlatforms = client.opts.Workers[0].Platforms[:1]
	if o.RequestID != nil {
		b.Request = *o.RequestID
		b.Plan.AllStages = *o.RequestID == lint.RequestLint && o.Plan.Target == ""
		return []Build{b}, nil
	}
	if len(o.Platforms) == 0 {
		return []Build{b}, nil
	}
	var builds []Build
	for i := range o.Platforms {
		one := b
		one.Plan.Platform = &o.Platforms[i]
		one.Platform = platforms.FormatAll(o.Platforms[i])
		builds = append(builds, one)
	}
	return builds, nil
}
