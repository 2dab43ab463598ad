package dockerfile2llb

import (
	"context"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/util/apicaps"

	"slipway/instructions"
	"slipway/plan"
)

// Inputs is what a conversion asks of the world: image configs and named
// contexts for the plan, and the states of what the build reads.
type Inputs interface {
	plan.Resolver
	// State opens the main context (nil) or a named one. used is what the
	// build reads of it, so that no more is transferred.
	State(ctx context.Context, in *plan.Input, used *plan.Paths) (llb.State, error)
}

// Options say how to convert.
type Options struct {
	Plan      plan.Options // its Resolver is set from Inputs
	Inputs    Inputs
	Caps      *apicaps.CapSet // what the daemon supports; nil supports only what is always there
	SourceMap *llb.SourceMap  // of the Dockerfile; nil leaves locations out
}

// Result is a converted Dockerfile.
type Result struct {
	State     llb.State
	Image     *plan.Image // config of the target
	BaseImage *plan.Image // config of the external base of the target; nil for scratch
	Plan      *plan.Plan
	SBOM      SBOM

	defaults []llb.ConstraintsOpt // of all operations
}

// SBOM is what a scan of a result looks at.
type SBOM struct {
	Core    llb.State            // the result
	Extras  map[string]llb.State // by name: other stages, and "context"
	NoCache bool                 // one of them was made without cache
}

// Convert plans a Dockerfile and says the plan in LLB. Errors about the file
// are *diag.Diagnostic.
func Convert(ctx context.Context, d *instructions.Dockerfile, opt Options) (*Result, error) {
	opt.Plan.Resolver = opt.Inputs
	p, err := plan.Build(ctx, d, opt.Plan)
	if err != nil {
		return nil, err
	}
	return Emit(ctx, p, opt)
}
