package gateway

import (
	"context"
	"fmt"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver"
)

// Predict returns what the solver knows about the operations of a definition without running them.
// Source policies of the build apply, but the result has the digests in def.
func (c *Client) Predict(ctx context.Context, def *pb.Definition) (*solver.Prediction, error) {
	p, err := c.policy(nil)
	allowed := def
	if err == nil {
		allowed, err = p.definition(ctx, def)
	}
	if err != nil {
		return nil, fmt.Errorf("failed to load LLB: %w", err)
	}
	g, err := solver.Load(allowed)
	if err != nil {
		return nil, err
	}
	c.opt.Build.Result(g)
	known, err := c.opt.Build.Predict(ctx, g)
	if err != nil {
		return nil, err
	}
	for i, v := range g.Vertices { // in the order of the definition
		known.Vertices[digest.FromBytes(def.Def[i])] = known.Vertices[v.Digest]
	}
	return known, nil
}
