package inputs

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"

	"slipway/plan"
)

// image opens a named context that is an image from a registry, or scratch.
func (n *namedContext) image(ctx context.Context, ref string) (*plan.Resolved, error) {
	if ref == "scratch" {
		return n.fixedState(llb.Scratch()), nil
	}
	parsed, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, err
	}
	img, err := n.in.Image(ctx, reference.TagNameOnly(parsed).String(), plan.ImageQuery{
		Platform: n.platform,
		Mode:     n.in.options.Plan.ResolveMode,
		LogName:  fmt.Sprintf("[context %s] load metadata for %s", n.key, ref),
	})
	if err != nil {
		return nil, err
	}
	opts := []llb.ImageOption{llb.WithCustomName("[context " + n.key + "] " + ref)}
	if n.platform != nil {
		opts = append(opts, llb.Platform(*n.platform))
	}
	res := n.fixedState(llb.Image(img.Ref, opts...))
	res.Ref, res.Digest = img.Ref, img.Digest
	res.Config, err = withoutCreated(img.Config)
	return res, err
}

// withoutCreated returns a copy of an image config, without the creation time.
//
// Upstream: exporters receive no creation time if the base image is a named context.
func withoutCreated(config []byte) ([]byte, error) {
	var img plan.Image
	if err := json.Unmarshal(config, &img); err != nil {
		return nil, err
	}
	img.Created = nil
	return json.Marshal(img)
}

// layout opens a named context that is an image in an OCI layout. The client provides the
// layout.
func (n *namedContext) layout(ctx context.Context, spec string) (*plan.Resolved, error) {
	ref, err := reference.Parse(spec)
	if err != nil {
		return nil, fmt.Errorf("could not parse oci-layout reference %q: %w", spec, err)
	}
	store, ok := ref.(reference.Named)
	if !ok {
		return nil, fmt.Errorf("oci-layout reference %q has no name", ref.String())
	}
	digested, ok := store.(reference.Digested)
	if !ok {
		return nil, fmt.Errorf("oci-layout reference %q has no digest", store.String())
	}
	// The name of the store is internal to the client, so progress shows the
	// name of the context.
	shown, err := reference.ParseNormalizedNamed(n.name)
	if err != nil {
		return nil, fmt.Errorf("could not parse oci-layout reference %q: %w", n.name, err)
	}
	canonical, err := reference.WithDigest(shown, digested.Digest())
	if err != nil {
		return nil, fmt.Errorf("could not wrap %q with digest: %w", n.name, err)
	}
	session := n.in.build.SessionID
	img, err := n.in.resolve(ctx, canonical.String(), sourceresolver.Opt{
		LogName: fmt.Sprintf("[context %s] load metadata for %s", n.key, canonical),
		OCILayoutOpt: &sourceresolver.ResolveOCILayoutOpt{
			Platform: n.platform,
			Store:    sourceresolver.ResolveImageConfigOptStore{SessionID: session, StoreID: store.Name()},
		},
	})
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(img.Config, &plan.Image{}); err != nil {
		return nil, fmt.Errorf("could not parse oci-layout image config: %w", err)
	}
	opts := []llb.OCILayoutOption{
		llb.WithCustomName("[context " + n.key + "] OCI load from client"),
		llb.OCIStore(session, store.Name()),
	}
	if n.platform != nil {
		opts = append(opts, llb.Platform(*n.platform))
	}
	res := n.fixedState(llb.OCILayout(canonical.String(), opts...))
	res.Ref, res.Digest, res.Config = img.Ref, img.Digest, img.Config
	return res, nil
}
