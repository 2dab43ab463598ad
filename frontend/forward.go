package frontend

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"

	"slipway/frontend/inputs"
	"slipway/frontend/options"
	"slipway/plan"
)

// forward asks another frontend to run the build, with all options and inputs of this
// build. ref is the image of that frontend, and cmdline the whole value of # syntax. The
// second result is false if this frontend must run the build. A named context that replaces
// the image always runs the build.
func (b *build) forward(ctx context.Context, ref, cmdline string) (*client.Result, bool, error) {
	if b.callbacks.Follow != nil && !b.isReplaced(ctx, ref) {
		if ok, err := b.callbacks.Follow(ref); !ok || err != nil {
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

// isReplaced reports whether a named context replaces the frontend image ref. The builder
// reports an invalid name of the image.
func (b *build) isReplaced(ctx context.Context, ref string) bool {
	named, err := b.inputs.Context(ctx, ref, nil)
	return err == nil && named != nil
}

// NamedContext returns the LLB state and the image config of the named context that replaces a
// frontend image. The parameter c is a client with the options of the build, of which one can be
// such as context:docker/dockerfile:1. If none sets a context for the image, the state is nil.
// The config is nil for a context that is not an image.
func NamedContext(ctx context.Context, c client.Client, image string) (*llb.State, []byte, error) {
	if !hasContexts(c.BuildOpts().Opts) {
		return nil, nil, nil
	}
	o, err := options.Parse(c.BuildOpts().Opts)
	if err != nil {
		return nil, nil, err
	}
	in := inputs.New(c, o)
	named, err := in.Context(ctx, image, nil)
	if named == nil || err != nil {
		return nil, nil, err
	}
	res, err := named.Load(ctx)
	if err != nil {
		return nil, nil, err
	}
	st, err := in.State(ctx, res.Input, &plan.Paths{})
	return &st, res.Config, err
}

// hasContexts reports whether the frontend options opts contain a named context.
func hasContexts(opts map[string]string) bool {
	for key := range opts {
		if strings.HasPrefix(key, "context:") {
			return true
		}
	}
	return false
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
