package inputs

import (
	"context"
	"fmt"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/plan"
)

// imageKey is what tells one lookup of an image from another.
type imageKey struct{ ref, platform, mode string }

// Image looks up an image's config, once for each platform and mode.
func (in *Inputs) Image(ctx context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	key := imageKey{ref: ref, mode: q.Mode}
	if q.Platform != nil {
		key.platform = platforms.FormatAll(*q.Platform)
	}
	look, _ := in.images.LoadOrStore(key, once(func(ctx context.Context) (*plan.Resolved, error) {
		return in.lookUp(ctx, ref, q)
	}))
	return look.(func(context.Context) (*plan.Resolved, error))(ctx)
}

func (in *Inputs) lookUp(ctx context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	mode := q.Mode
	if mode == "" {
		mode = "default"
	}
	newRef, dgst, config, err := in.client.ResolveImageConfig(ctx, ref, sourceresolver.Opt{
		LogName:  q.LogName,
		ImageOpt: &sourceresolver.ResolveImageOpt{Platform: q.Platform, ResolveMode: mode},
	})
	if err != nil {
		return nil, err
	}
	return &plan.Resolved{Ref: newRef, Digest: dgst, Config: config}, nil
}

// Context looks up a named context.
func (in *Inputs) Context(_ context.Context, name string, p *ocispecs.Platform) (plan.NamedContext, error) {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, fmt.Errorf("invalid context name %s: %w", name, err)
	}
	if p == nil {
		host := platforms.DefaultSpec()
		p = &host
	}
	name = trimLatest(reference.FamiliarString(ref))
	found, ok := in.named(name+"::"+platforms.FormatAll(platforms.Normalize(*p)), name)
	if !ok {
		return nil, nil
	}
	return nil, fmt.Errorf("context:%s=%s: named contexts are not supported", found, in.options.Named[found])
}
