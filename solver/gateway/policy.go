package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/sourcepolicy"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"
)

// policies returns the source policies of the build followed by those of a request.
func (c *Client) policies(request []*spb.Policy) []*spb.Policy {
	return slices.Concat(c.opt.Policies, request)
}

// withPolicies returns a definition after applying source policies, which deny or replace
// sources. Operations that depend on a replaced source get new digests.
func withPolicies(ctx context.Context, def *pb.Definition, policies []*spb.Policy) (*pb.Definition, error) {
	if len(policies) == 0 || def == nil {
		return def, nil
	}
	if err := checkPolicies(policies); err != nil {
		return nil, err
	}
	engine := sourcepolicy.NewEngine(policies)
	out := def.CloneVT()
	renamed := map[string]string{}
	for i, data := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(data); err != nil {
			return nil, fmt.Errorf("operation %d of the definition: %w", i, err)
		}
		changed, err := engine.Evaluate(ctx, op.GetSource())
		if err != nil {
			return nil, fmt.Errorf("error evaluating the source policy: %w", err)
		}
		for _, in := range op.Inputs {
			if to, ok := renamed[in.Digest]; ok {
				in.Digest, changed = to, true
			}
		}
		if !changed {
			continue
		}
		if out.Def[i], err = (proto.MarshalOptions{Deterministic: true}).Marshal(&op); err != nil {
			return nil, err
		}
		from, to := string(digest.FromBytes(data)), string(digest.FromBytes(out.Def[i]))
		renamed[from] = to
		if m, ok := out.Metadata[from]; ok {
			delete(out.Metadata, from)
			out.Metadata[to] = m
		}
		if l, ok := out.Source.GetLocations()[from]; ok {
			delete(out.Source.Locations, from)
			out.Source.Locations[to] = l
		}
	}
	return out, nil
}

// checkPolicies returns an error for incomplete policies, because BuildKit's policy engine
// relies on all fields.
func checkPolicies(policies []*spb.Policy) error {
	for _, p := range policies {
		if p == nil {
			return errors.New("invalid nil policy")
		}
		for _, r := range p.Rules {
			if r.GetSelector() == nil {
				return errors.New("invalid policy: a rule has no selector")
			}
		}
	}
	return nil
}
