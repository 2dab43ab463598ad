package frontend

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
)

// forward asks another frontend to run the build, with all options and inputs of this
// build. ref is the image of that frontend, and cmdline the whole value of # syntax. The
// second result is false if this frontend must run the build.
func (b *build) forward(ctx context.Context, ref, cmdline string) (*client.Result, bool, error) {
	if b.follow != nil {
		if ok, err := b.follow(ref); !ok || err != nil {
			return nil, err != nil, err
		}
	}
	opts := maps.Clone(b.opts.Opts)
	if opts == nil {
		opts = map[string]string{}
	}
	opts["cmdline"] = cmdline
	opts["source"] = ref
	in, err := b.frontendInputs(ctx)
	if err != nil {
		return nil, true, err
	}
	res, err := b.client.Solve(ctx, client.SolveRequest{
		Frontend:       "gateway.v0",
		FrontendOpt:    opts,
		FrontendInputs: in,
	})
	return res, true, err
}

// frontendInputs returns the frontend inputs of this build as LLB definitions. If the
// builder does not support frontend inputs, it returns nil.
func (b *build) frontendInputs(ctx context.Context) (map[string]*pb.Definition, error) {
	if err := b.opts.Caps.Supports(gwpb.CapFrontendInputs); err != nil {
		return nil, nil //nolint:nilerr // old builders do not support inputs
	}
	states, err := b.client.Inputs(ctx)
	if err != nil {
		return nil, fmt.Errorf("failed to get frontend inputs: %w", err)
	}
	defs := make(map[string]*pb.Definition, len(states))
	for name, st := range states {
		def, err := st.Marshal(ctx)
		if err != nil {
			return nil, err
		}
		defs[name] = def.ToPB()
	}
	return defs, nil
}

// firstWord returns the part of s before the first space, without leading spaces.
func firstWord(s string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	return word
}
