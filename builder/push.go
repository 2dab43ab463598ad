package builder

import (
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"slipway/solver/registry"
	"slipway/solver/remotecache"
	"slipway/solver/track"
)

// parallelPushes is the maximum number of layers of an image that are uploaded concurrently.
const parallelPushes = 4

// push pushes an image or an index to a repository, under the tag of ref or, if byDigest is set,
// only under its digest. It pushes each manifest after the blobs and manifests to which it refers,
// as registries require.
func push(ctx context.Context, to *registry.Repository, ref string, what partial.Describable, byDigest bool) error {
	tag := func(ctx context.Context, d ocispecs.Descriptor, manifest []byte) error {
		defer track.Start(ctx, fmt.Sprintf("pushing manifest for %s@%s", ref, d.Digest), 0).Done()
		if byDigest {
			return to.PushManifest(ctx, d, manifest)
		}
		return to.Tag(ctx, d, manifest)
	}
	idx, ok := what.(v1.ImageIndex)
	if !ok {
		return pushImage(ctx, to, what.(v1.Image), tag)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range m.Manifests {
		img, err := idx.Image(d.Digest)
		if err != nil {
			return err
		}
		if err := pushImage(ctx, to, img, to.PushManifest); err != nil {
			return err
		}
	}
	return pushManifest(ctx, idx, tag)
}

// writeManifest is a function that pushes the given manifest to a repository, by digest
// or by tag.
type writeManifest func(context.Context, ocispecs.Descriptor, []byte) error

// pushImage pushes the layers and the config of an image, and then its manifest.
func pushImage(ctx context.Context, to *registry.Repository, img v1.Image, write writeManifest) error {
	if err := pushBlobs(ctx, to, img); err != nil {
		return err
	}
	return pushManifest(ctx, img, write)
}

// pushBlobs pushes the layers and the config of an image concurrently, but not the
// manifest.
func pushBlobs(ctx context.Context, to *registry.Repository, img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	config, err := partial.ConfigLayer(img)
	if err != nil {
		return err
	}
	t := track.Start(ctx, "pushing layers", 0)
	defer t.Done()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelPushes)
	pushed := map[digest.Digest]bool{}
	for _, l := range append(layers, config) {
		d, err := descriptor(l)
		if err != nil {
			return err
		}
		if pushed[d.Digest] {
			continue
		}
		pushed[d.Digest] = true
		g.Go(func() error {
			err := to.Push(gctx, d, func() (io.ReadCloser, error) {
				r, err := l.Compressed()
				return t.ReadCloser(r), err
			})
			if err != nil {
				return fmt.Errorf("blob %s: %w", d.Digest, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func pushManifest(ctx context.Context, what partial.Describable, write writeManifest) error {
	raw, ok := what.(partial.WithRawManifest)
	if !ok {
		return fmt.Errorf("%T has no manifest", what)
	}
	data, err := raw.RawManifest()
	if err != nil {
		return err
	}
	d, err := descriptor(what)
	if err != nil {
		return err
	}
	return write(ctx, d, data)
}

func descriptor(of partial.Describable) (d ocispecs.Descriptor, err error) {
	h, err := of.Digest()
	if err != nil {
		return d, err
	}
	mediaType, err := of.MediaType()
	if err != nil {
		return d, err
	}
	size, err := of.Size()
	return ocispecs.Descriptor{MediaType: string(mediaType), Digest: digest.Digest(h.String()), Size: size}, err
}

// checkPushes returns an error if a registry would reject an image or cache that the build
// will push. The caller calls it before the build, so that the user does not wait for a
// build whose push would fail.
func (s *localBuilder) checkPushes(ctx context.Context, o *Options) error {
	g, ctx := errgroup.WithContext(ctx)
	asked := map[string]bool{}
	check := func(what, name string, insecure bool) {
		repo, err := s.registry.Repository(ctx, name, insecure)
		if err == nil && asked[repo.Name()] {
			return
		}
		if err == nil {
			asked[repo.Name()] = true
		}
		g.Go(func() error {
			if err == nil {
				err = repo.CheckPush(ctx)
			}
			if err != nil {
				return fmt.Errorf("%s %s: %w", what, name, err)
			}
			return nil
		})
	}
	for _, out := range o.Outputs {
		if out.Type != "image" || !out.Push {
			continue
		}
		names, err := imageNames(o, out)
		if err != nil {
			return err
		}
		for _, n := range names {
			check("push", n, out.isInsecure())
		}
	}
	for _, e := range o.CacheTo {
		to, err := remotecache.NewTo(e.Type, e.Attrs)
		if err != nil {
			return err
		}
		if to.Type == "registry" && !to.IgnoreError {
			check("export cache to", to.Ref, to.Insecure)
		}
	}
	return g.Wait()
}
