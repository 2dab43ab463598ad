package dockerfile2llb

import (
	"context"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/util/apicaps"

	"slipway/instructions"
	"slipway/plan"
)

// Inputs resolves the external inputs of a conversion: image configs and named
// contexts for the plan, and LLB states of the build contexts.
type Inputs interface {
	plan.Resolver
	// State returns the LLB state of a named context, or of the main context if
	// in is nil. used lists the paths that the build reads, so that only these
	// are transferred.
	State(ctx context.Context, in *plan.Input, used *plan.Paths) (llb.State, error)
}

// Options configures a conversion.
type Options struct {
	Plan      plan.Options // Convert sets its Resolver to Inputs
	Inputs    Inputs
	Caps      *apicaps.CapSet // capabilities of the daemon; if nil, optional ones are not used
	SourceMap *llb.SourceMap  // source map of the Dockerfile; if nil, operations have no locations
}

// Result is a converted Dockerfile.
type Result struct {
	State     llb.State
	Image     *plan.Image // config of the target
	BaseImage *plan.Image // config of the target's base image; nil for scratch
	Plan      *plan.Plan
	SBOM      SBOM

	defaults []llb.ConstraintsOpt // constraints of all operations
}

// SBOM lists the states that an SBOM generator scans.
type SBOM struct {
	Core    llb.State            // the result
	Extras  map[string]llb.State // other stages by name, and "context"
	NoCache bool                 // whether one of them ignores the cache
}

// Convert plans a Dockerfile and lowers the plan to LLB. Errors about the file
// are of type *diag.Diagnostic.
func Convert(ctx context.Context, d *instructions.Dockerfile, opt Options) (*Result, error) {
	opt.Plan.Resolver = opt.Inputs
	p, err := plan.Build(ctx, d, opt.Plan)
	if err != nil {
		return nil, err
	}
	return Emit(ctx, p, opt)
}
