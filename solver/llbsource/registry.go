package llbsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/registry"
)

// repository is an [imageStore] that reads images from a registry.
type repository struct{ *registry.Repository }

func (r repository) manifest(ctx context.Context, d ocispecs.Descriptor) ([]byte, error) {
	return r.Manifest(ctx, d)
}

func (r repository) blob(ctx context.Context, d ocispecs.Descriptor) (io.ReadCloser, error) {
	return r.Blob(ctx, d)
}

func (r repository) referrers(ctx context.Context, d digest.Digest) ([]ocispecs.Descriptor, error) {
	return r.Referrers(ctx, d)
}

// Resolve finds the image for a reference, among the stored images or in the image's
// registry. If pull is set, it ignores stored images. If p is nil, the platform is the
// default of [Machine].
func (s *Sources) Resolve(ctx context.Context, ref string, p *ocispecs.Platform, pull bool) (*Image, error) {
	if p == nil {
		d := Machine()
		p = &d
	}
	return s.image(ctx, ref, platforms.Normalize(*p), pull)
}

// image resolves the image reference ref for the platform p. It contacts a registry only
// if pull is set or no stored image matches the platform. A second call with the same
// parameters returns the first result.
func (s *Sources) image(ctx context.Context, ref string, p ocispecs.Platform, pull bool) (*Image, error) {
	return s.images.Do(ctx, fmt.Sprint(platforms.FormatAll(p), " ", ref, " ", pull), func(ctx context.Context) (*Image, error) {
		var img *Image
		var others []string
		var err error
		if !pull {
			img, others, err = s.storedImage(ctx, ref, p)
		}
		if img == nil && err == nil {
			img, err = s.findImage(ctx, ref, p)
			err = withStoredPlatforms(err, others)
		}
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", ref, err)
		}
		return img, nil
	})
}

func (s *Sources) findImage(ctx context.Context, ref string, p ocispecs.Platform) (*Image, error) {
	if s.Registry == nil {
		return nil, errors.New("registries are not allowed")
	}
	name, insecure := s.mirror(ref)
	repo, err := s.Registry.Repository(ctx, name, insecure)
	if err != nil {
		return nil, err
	}
	d := ocispecs.Descriptor{Digest: repo.Digest()}
	if d.Digest == "" || !s.knownIn(ref, d.Digest) {
		if d, err = repo.Resolve(ctx); err != nil {
			return nil, err
		}
	}
	img, err := s.imageIn(ctx, ref, repository{repo}, d, p)
	if err == nil {
		s.Files.rememberDownload(originKey(ref, d.Digest), pastDownload{})
	}
	return img, err
}

// knownIn reports whether the repository of the reference ref is known to have contained an image
// with the digest d. Otherwise, the registry must be asked. Without this check, a reference with
// the digest of an image in the store would be valid with any repository, even one that the user
// may not read.
func (s *Sources) knownIn(ref string, d digest.Digest) bool {
	_, ok := s.Files.download(originKey(ref, d))
	return ok
}

// originKey returns the key under which the index records that the repository of the reference ref
// contains the image with the digest d.
func originKey(ref string, d digest.Digest) string {
	name := ref
	if named, err := reference.ParseNormalizedNamed(ref); err == nil {
		name = named.Name()
	}
	return "docker-image://" + name + "@" + d.String()
}

// mirror returns ref with its host replaced by the configured mirror, and reports
// whether the mirror uses HTTP instead of HTTPS. Without a mirror, it returns ref.
func (s *Sources) mirror(ref string) (name string, insecure bool) {
	host, rest, _ := strings.Cut(ref, "/")
	m, ok := s.Mirrors[host]
	if !ok {
		return ref, false
	}
	plain, insecure := strings.CutPrefix(m, "http://")
	return strings.TrimPrefix(plain, "https://") + "/" + rest, insecure
}
