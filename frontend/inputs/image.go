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

// imageKey identifies the resolution of an image. Equal keys have the same
// result.
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

// Image resolves the config of an image, once per platform and mode.
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

// patience is the timeout for resolving an image. Without it, a registry that
// accepts connections and never answers would block the builder and the client
// forever.
const patience = 2 * time.Minute

// resolve asks the builder for the config of an image, once.
func (in *Inputs) resolve(ctx context.Context, ref string, opt sourceresolver.Opt) (*plan.Resolved, error) {
	return in.images.Do(ctx, keyOf(ref, opt), func(ctx context.Context) (*plan.Resolved, error) {
		asking, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		// The client's own ResolveImageConfig drops the resolve mode.
		found, dgst, config, err := sourceresolver.NewImageMetaResolver(in.client).ResolveImageConfig(asking, ref, opt)
		// The builder knows the deadline and may report it first.
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
