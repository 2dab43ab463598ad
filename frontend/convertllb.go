package frontend

import (
	"context"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests/convertllb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/dockerfile2llb"
)

// convertLLB answers the subrequest convertllb. The result contains the operations of
// the build, and convertLLB does not run them.
func (b *build) convertLLB(ctx context.Context) (*client.Result, error) {
	res, err := b.convertImplicit(ctx)
	if err != nil {
		return nil, err
	}
	def, err := res.State.Marshal(ctx)
	if err != nil {
		return nil, &marshalError{err}
	}
	out := convertllb.Result{
		Def:      make(map[digest.Digest]*pb.Op, len(def.Def)),
		Metadata: def.Metadata,
		Source:   def.Source,
	}
	for _, data := range def.Def {
		op := &pb.Op{}
		if err := op.UnmarshalVT(data); err != nil {
			return nil, err
		}
		out.Def[digest.FromBytes(data)] = op
	}
	return out.ToResult()
}

// convertImplicit converts the Dockerfile for the builder's default platform.
//
// Upstream: subrequests ignore the option platform.
func (b *build) convertImplicit(ctx context.Context) (*dockerfile2llb.Conversion, error) {
	if err := b.parseBuild(ctx); err != nil {
		return nil, err
	}
	opt := b.options.Plan
	opt.BuildPlatforms = b.buildPlatforms()
	return b.convert(ctx, opt, true)
}
