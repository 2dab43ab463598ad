package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/pkg/reference"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/sourcepolicy"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/moby/buildkit/sourcepolicy/policysession"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"slipway/solver/gateway/bridge"
	"slipway/solver/llbsource"
)

// Verifier decides which sources a build may use, for example by asking its client. The response
// contains a decision, or a request for metadata on which the decision depends. Safe for
// concurrent use.
type Verifier func(context.Context, *policysession.CheckPolicyRequest) (*policysession.CheckPolicyResponse, error)

// policyRounds is the maximum number of questions to a [Verifier] about one source, as in BuildKit.
const policyRounds = 10

// policy allows, denies or replaces the sources of a request. Safe for concurrent use.
type policy struct {
	client *Client
	list   []*spb.Policy // static policies, which apply before the verifier
}

// policy returns the policy for a request: the source policies of the build, and then the given
// source policies of the request.
func (c *Client) policy(request []*spb.Policy) (*policy, error) {
	list := slices.Concat(c.opt.Policies, request)
	return &policy{c, list}, checkPolicies(list)
}

// isEmpty reports whether the policy allows all sources.
func (p *policy) isEmpty() bool { return len(p.list) == 0 && p.client.opt.Verify == nil }

// definition returns a definition after applying the policy to its sources. Operations that depend
// on a replaced source get new digests.
func (p *policy) definition(ctx context.Context, def *pb.Definition) (*pb.Definition, error) {
	if p.isEmpty() || def == nil {
		return def, nil
	}
	ops := make([]pb.Op, len(def.Def))
	changed := make([]bool, len(def.Def))
	g, gctx := errgroup.WithContext(ctx)
	for i, data := range def.Def {
		if err := ops[i].UnmarshalVT(data); err != nil {
			return nil, errors.Join(fmt.Errorf("operation %d of the definition: %w", i, err), g.Wait())
		}
		g.Go(func() (err error) {
			if changed[i], err = p.apply(gctx, ops[i].GetSource(), ops[i].Platform); err != nil {
				return fmt.Errorf("error evaluating the source policy: %w", err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return renameInputs(def, ops, changed)
}

// renameInputs returns a copy of def with the operations ops, some of which have changed. Inputs
// refer to the new digests of changed operations.
func renameInputs(def *pb.Definition, ops []pb.Op, changed []bool) (_ *pb.Definition, err error) {
	out := def.CloneVT()
	renamed := map[string]string{}
	for i, data := range def.Def {
		isNew := changed[i]
		for _, in := range ops[i].Inputs {
			if to, ok := renamed[in.Digest]; ok {
				in.Digest, isNew = to, true
			}
		}
		if !isNew {
			continue
		}
		if out.Def[i], err = (proto.MarshalOptions{Deterministic: true}).Marshal(&ops[i]); err != nil {
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

// apply applies the policy to the source op for a platform. It returns an error if the source is
// denied. If the policy replaces the source, apply changes op and returns true. If op is nil, it
// does nothing.
func (p *policy) apply(ctx context.Context, op *pb.SourceOp, platform *pb.Platform) (changed bool, err error) {
	if op == nil || p.isEmpty() {
		return false, nil
	}
	if changed, err = p.replace(ctx, op, platform, policyRounds); err != nil {
		return false, err
	}
	bundle, err := gitBundle(op)
	if bundle == nil {
		return changed, err
	}
	replaced, err := p.replace(ctx, bundle, platform, policyRounds)
	if err != nil {
		return false, fmt.Errorf("git bundle: %w", err)
	}
	if replaced {
		op.Attrs[pb.AttrGitBundle] = bundle.Identifier
		op.Attrs[pb.AttrOCILayoutStoreID] = bundle.Attrs[pb.AttrOCILayoutStoreID]
	}
	return changed || replaced, nil
}

// gitBundle returns the source of the bundle from which a git source reads commits. Policies apply
// to this source, too. If the git source has no bundle, gitBundle returns nil.
func gitBundle(op *pb.SourceOp) (*pb.SourceOp, error) {
	bundle := op.Attrs[pb.AttrGitBundle]
	if !strings.HasPrefix(op.Identifier, "git://") || bundle == "" {
		return nil, nil
	}
	scheme, name, _ := strings.Cut(bundle, "://")
	ref, err := reference.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", pb.AttrGitBundle, bundle, err)
	}
	source := &pb.SourceOp{Identifier: scheme + "://" + ref.String(), Attrs: map[string]string{}}
	if scheme == "oci-layout+blob" {
		source.Attrs[pb.AttrOCILayoutStoreID] = ref.Locator
		for _, key := range []string{pb.AttrOCILayoutStoreID, pb.AttrOCILayoutSessionID} {
			if v := op.Attrs[key]; v != "" {
				source.Attrs[key] = v
			}
		}
	}
	return source, nil
}

// replace applies the static policies and then the verifier to op. It returns an error if the source
// is denied or if the verifier needs more than the given number of rounds. If the policy replaces
// the source, replace changes op and returns true.
func (p *policy) replace(ctx context.Context, op *pb.SourceOp, platform *pb.Platform, rounds int) (bool, error) {
	source := op.CloneVT()
	source.Identifier = llbsource.CanonicalIdentifier(source.Identifier)
	changed, err := sourcepolicy.NewEngine(p.list).Evaluate(ctx, source)
	if err != nil {
		return false, err
	}
	var update *pb.SourceOp
	if p.client.opt.Verify != nil {
		if update, rounds, err = p.verify(ctx, source, platform, rounds); err != nil {
			return false, err
		}
	}
	switch {
	case update != nil:
		op.Identifier, op.Attrs = update.Identifier, update.Attrs
		_, err := p.replace(ctx, op, platform, rounds)
		return true, err
	case changed:
		op.Identifier, op.Attrs = source.Identifier, source.Attrs
	}
	return changed, nil
}

// verify asks the verifier about a source. It returns the source that must be used instead, or nil
// if the source is allowed, and the number of rounds that are left.
func (p *policy) verify(ctx context.Context, source *pb.SourceOp, platform *pb.Platform, rounds int) (update *pb.SourceOp, left int, err error) {
	req := &policysession.CheckPolicyRequest{Platform: platform, Source: &gwpb.ResolveSourceMetaResponse{Source: source}}
	for ; rounds > 0; rounds-- {
		resp, err := p.client.opt.Verify(ctx, req)
		if err != nil {
			return nil, 0, err
		}
		if question := resp.GetRequest(); question != nil {
			if req.Source, err = p.answer(ctx, source, question); err != nil {
				return nil, 0, err
			}
			continue
		}
		switch d := resp.GetDecision(); {
		case d == nil:
			return nil, 0, errors.New("no decision in policy response")
		case d.Action == spb.PolicyAction_ALLOW:
			return nil, rounds - 1, nil
		case d.Action != spb.PolicyAction_CONVERT:
			err := fmt.Errorf("source %q not allowed by policy: action %s", source.Identifier, d.Action)
			return nil, 0, policysession.WrapDenyMessages(err, d.DenyMessages)
		case d.Update == nil:
			return nil, 0, errors.New("convert action requires updated source")
		default:
			return d.Update, rounds - 1, nil
		}
	}
	return nil, 0, errors.New("too many policy requests")
}

// answer returns the metadata of a source that a verifier has requested.
func (p *policy) answer(ctx context.Context, source *pb.SourceOp, req *gwpb.ResolveSourceMetaRequest) (*gwpb.ResolveSourceMetaResponse, error) {
	if got := req.GetSource(); got.GetIdentifier() != source.Identifier || !maps.Equal(got.GetAttrs(), source.Attrs) {
		return nil, fmt.Errorf("policy requested a different source: %q instead of %q", got.GetIdentifier(), source.Identifier)
	}
	md, err := p.client.resolve(ctx, source.CloneVT(), bridge.MetadataOptions(req))
	if err != nil {
		return nil, fmt.Errorf("error resolving source metadata from policy request: %w", err)
	}
	return bridge.MetadataResponse(md), nil
}

// checkPolicies returns an error for incomplete policies, because BuildKit's policy engine
// relies on all fields. The errors are worded as in BuildKit.
func checkPolicies(policies []*spb.Policy) error {
	for _, p := range policies {
		if p == nil {
			return errors.New("invalid nil policy")
		}
		for _, r := range p.Rules {
			switch {
			case r == nil:
				return errors.New("invalid nil rule in policy")
			case r.Selector == nil:
				return errors.New("invalid nil selector in policy")
			case slices.Contains(r.Selector.Constraints, nil):
				return errors.New("invalid nil constraint in policy")
			}
		}
	}
	return nil
}
