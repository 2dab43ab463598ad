package source

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/platforms"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// registry is where the images of a repository are.
type registry struct {
	puller *remote.Puller
	repo   name.Repository
}

func (r *registry) manifest(ctx context.Context, d digest.Digest) ([]byte, error) {
	desc, err := r.puller.Get(ctx, r.repo.Digest(string(d)))
	if err != nil {
		return nil, err
	}
	return desc.Manifest, nil
}

func (r *registry) blob(ctx context.Context, d ocispecs.Descriptor) (io.ReadCloser, error) {
	l, err := r.puller.Layer(ctx, r.repo.Digest(string(d.Digest)))
	if err != nil {
		return nil, err
	}
	return l.Compressed()
}

// Resolve finds an image of a registry.
func (s *Sources) Resolve(ctx context.Context, ref string, p *ocispecs.Platform) (*Image, error) {
	if p == nil {
		d := platforms.DefaultSpec()
		p = &d
	}
	return s.image(ctx, ref, platforms.Normalize(*p))
}

// image finds an image of a registry, which is asked once per build.
func (s *Sources) image(ctx context.Context, ref string, p ocispecs.Platform) (*Image, error) {
	return s.images.Do(ctx, platforms.FormatAll(p)+" "+ref, func(ctx context.Context) (*Image, error) {
		img, err := s.findImage(ctx, ref, p)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", ref, err)
		}
		return img, nil
	})
}

func (s *Sources) findImage(ctx context.Context, ref string, p ocispecs.Platform) (*Image, error) {
	parsed, err := s.reference(ref)
	if err != nil {
		return nil, err
	}
	puller, err := s.puller.Do(ctx, struct{}{}, func(context.Context) (*remote.Puller, error) { return remote.NewPuller(s.Registry...) })
	if err != nil {
		return nil, err
	}
	from := &registry{puller, parsed.Context()}
	if d, ok := parsed.(name.Digest); ok {
		return s.imageIn(ctx, ref, from, digest.Digest(d.DigestStr()), p)
	}
	desc, err := puller.Get(ctx, parsed)
	if err != nil {
		return nil, err
	}
	// What a digest names is kept, as what follows asks by digest.
	if _, err := s.Store.PutBytes(desc.Manifest); err != nil {
		return nil, err
	}
	return s.imageIn(ctx, ref, from, digest.Digest(desc.Digest.String()), p)
}

// reference parses a full reference and turns to the mirror of its host.
func (s *Sources) reference(ref string) (name.Reference, error) {
	host, rest, _ := strings.Cut(ref, "/")
	if m, ok := s.Mirrors[host]; ok {
		ref = m + "/" + rest
	}
	return name.ParseReference(ref)
}
