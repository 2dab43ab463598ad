package builder

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/llbsource"
	"slipway/solver/registry"
)

// ImageConfigs looks up the configs of images without a build. Safe for concurrent use.
type ImageConfigs struct {
	s       *localBuilder
	sources *llbsource.Sources
	network bool
}

// OpenImageConfigs opens the state directory dir. If network is true, images that the directory
// does not store are looked up in their registries.
func OpenImageConfigs(dir string, now func() time.Time, network bool) (*ImageConfigs, error) {
	o := &Options{State: dir, Now: now}
	s, err := openLocal(o, registry.UserCredentials())
	if err != nil {
		return nil, err
	}
	c := &ImageConfigs{s, s.sources(o, &inputs{}), network}
	if !network {
		c.sources.Registry = nil
	}
	return c, nil
}

// Config returns the config of an image, and the digest to which its reference resolves. If p is
// nil, the platform is this machine's.
func (c *ImageConfigs) Config(ctx context.Context, ref string, p *ocispecs.Platform) ([]byte, digest.Digest, error) {
	if c.network {
		// The store gets what is downloaded.
		release, err := c.s.Hold(ctx)
		if err != nil {
			return nil, "", err
		}
		defer release()
	}
	img, err := c.sources.Resolve(ctx, ref, p, false)
	if err != nil {
		return nil, "", err
	}
	return img.Config(), img.ResolvedDigest(), nil
}
