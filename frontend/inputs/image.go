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

// imageKey identifies the lookup of an image. Lookups with equal keys have the same
// result.
type imageKey struct{ ref, platform, mode, store string }

// newImageKey returns the key for a lookup of the image reference ref. opt contains the
// options of the lookup, such as the platform.
func newImageKey(ref string, opt sourceresolver.Opt) imageKey {
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

// Image resolves the config of an image, once per platform and resolve mode.
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

// imageTimeout is the timeout for resolving an image. Without it, a registry that accepts
// connections but never answers would block the builder and the client forever.
const imageTimeout = 2 * time.Minute

// resolve requests the config of an image from the builder, once per imageKey.
func (in *Inputs) resolve(ctx context.Context, ref string, opt sourceresolver.Opt) (*plan.Resolved, error) {
	return in.images.Do(ctx, newImageKey(ref, opt), func(ctx context.Context) (*plan.Resolved, error) {
		timed, cancel := context.WithTimeout(ctx, imageTimeout)
		defer cancel()
		// ResolveImageConfig of the client drops the resolve mode.
		found, dgst, config, err := sourceresolver.NewImageMetaResolver(in.client).ResolveImageConfig(timed, ref, opt)
		// The builder also has the deadline and may be the first to report it.
		expired := timed.Err() != nil || grpcerrors.Code(err) == codes.DeadlineExceeded
		if err != nil && expired && ctx.Err() == nil {
			return nil, fmt.Errorf("no answer about image %s within %s: %w", ref, imageTimeout, err)
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
