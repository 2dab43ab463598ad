package dockerfile2llb

import (
	"context"
	"slices"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/util/apicaps"
	"github.com/opencontainers/go-digest"

	"slipway/instructions"
	"slipway/plan"
	"slipway/source"
)

// Inputs provides the external inputs of a conversion: image configs and named contexts
// for the plan, and the LLB states of build contexts.
type Inputs interface {
	plan.Resolver
	// State returns the LLB state of the named context in or, if in is nil, of the main
	// context. The set used contains the paths that the build reads, so that the client
	// sends only these paths.
	State(ctx context.Context, in *plan.Input, used *plan.Paths) (llb.State, error)
}

// Options configures [Convert] and [Emit].
type Options struct {
	Plan      plan.Options // Convert overwrites the Resolver with Inputs
	Inputs    Inputs
	Caps      *apicaps.CapSet // capabilities of the daemon; if nil, optional capabilities are not used
	SourceMap *llb.SourceMap  // the Dockerfile; if nil, operations have no source locations
	// Emitted is called with the output of each step of a stage. For the step that pulls the
	// base, the visit is nil. Emitted may be nil.
	Emitted func(st *plan.Stage, v *plan.Visit, out llb.Output)

	Included map[*source.File]*llb.SourceMap // the files that the Dockerfile includes
	HostKeys HostKeys                        // for git repositories over SSH; may be nil
}

// Conversion is the result of [Convert]: the LLB state of the target, and its image
// config and plan.
type Conversion struct {
	State     llb.State
	Image     *plan.Image // config of the target
	BaseImage *plan.Image // image config of the target's base image; nil for scratch
	Plan      *plan.Plan
	SBOM      SBOM

	defaults []llb.ConstraintsOpt // default constraints for all operations
}

// Digests returns the digests of the operations that produce the given outputs, which [Emit] has
// passed to Options.Emitted. They equal the digests in the result of Marshal.
func (r *Conversion) Digests(ctx context.Context, outs []llb.Output) ([]digest.Digest, error) {
	c := llb.NewConstraints(slices.Clip(r.defaults)...)
	list := make([]digest.Digest, len(outs))
	for i, out := range outs {
		var err error
		if list[i], _, _, _, err = out.Vertex(ctx, c).Marshal(ctx, c); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// SBOM lists the LLB states that an SBOM generator scans.
type SBOM struct {
	Core    llb.State            // the state of the target
	Extras  map[string]llb.State // other stages by name, and the main context as "context"
	NoCache bool                 // whether one of the stages bypasses the cache
}

// Convert plans a Dockerfile and lowers the plan to LLB. Errors about the file have the
// type *diag.Diagnostic.
func Convert(ctx context.Context, d *instructions.Dockerfile, opt Options) (*Conversion, error) {
	opt.Plan.Resolver = opt.Inputs
	p, err := plan.Build(ctx, d, opt.Plan)
	if err != nil {
		return nil, err
	}
	return Emit(ctx, p, opt)
}
