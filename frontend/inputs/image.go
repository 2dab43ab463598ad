package inputs

import (
	"context"
	"fmt"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/util/grpcerrors"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"

	"slipway/plan"
)

// imageKey is what tells one lookup of an image from another.
type imageKey struct{ ref, platform, mode, store string }

func keyOf(ref string, opt sourceresolver.Opt) imageKey {
	key := imageKey{ref: ref}
	var p *ocispecs.Platform
	if o := opt.ImageOpt; o != nil {
		p, key.mode = o.Platform, o.ResolveMode
	}
	if o := opt.OCILayoutOpt; o != nil {
		p, key.store = o.Platform, o.Store.StoreID
	}
	if p != nil {
		key.platform = platforms.FormatAll(*p)
	}
	return key
}

// Image looks up an image's config, once for each platform and mode.
func (in *Inputs) Image(ctx context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	mode := q.Mode
	if mode == "" {
		mode = "default"
	}
	return in.resolve(ctx, ref, sourceresolver.Opt{
		LogName:  q.LogName,
		ImageOpt: &sourceresolver.ResolveImageOpt{Platform: q.Platform, ResolveMode: mode},
	})
}

// patience is how long a lookup may take. A registry that accepts a connection
// and never answers would keep the builder waiting for ever, and the client with
// it.
const patience = 2 * time.Minute

// resolve asks the builder for the config of an image, once.
func (in *Inputs) resolve(ctx context.Context, ref string, opt sourceresolver.Opt) (*plan.Resolved, error) {
	return in.images.Do(ctx, keyOf(ref, opt), func(ctx context.Context) (*plan.Resolved, error) {
		asking, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		// The client's own ResolveImageConfig forgets the mode on the way.
		found, dgst, config, err := sourceresolver.NewImageMetaResolver(in.client).ResolveImageConfig(asking, ref, opt)
		// The builder knows of the limit, and may be the first to say so.
		late := asking.Err() != nil || grpcerrors.Code(err) == codes.DeadlineExceeded
		if err != nil && late && ctx.Err() == nil {
			return nil, fmt.Errorf("no answer about image %s within %s: %w", ref, patience, err)
		}
		if err != nil {
			return nil, err
		}
		if len(config) > maxFile {
			return nil, &tooLargeError{"image config of " + found}
		}
		return &plan.Resolved{Ref: found, Digest: dgst, Config: config}, nil
	})
}
