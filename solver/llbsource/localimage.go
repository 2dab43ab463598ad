package llbsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/images"
	"slipway/solver/track"
)

// storedBlobs is an [imageStore] for an image in the state directory. Its methods always
// fail, because they are called only for blobs that the state directory lacks. They do
// not ask a registry, which may have a different image of the same name.
type storedBlobs struct{ of *images.Image }

func (b storedBlobs) manifest(_ context.Context, d ocispecs.Descriptor) ([]byte, error) {
	return nil, b.missingBlob(d.Digest)
}

func (b storedBlobs) blob(_ context.Context, d ocispecs.Descriptor) (io.ReadCloser, error) {
	return nil, b.missingBlob(d.Digest)
}

func (b storedBlobs) missingBlob(d digest.Digest) error {
	return fmt.Errorf("local image %s: blob %s is lost (build it again, or slipway image rm %[1]s)", b.of.Name, d)
}

// storedImage returns the image that is stored under a reference. If it is stored only for
// other platforms than p, the result img is nil, and others lists the stored platforms. If no
// image is stored under the reference, both results are nil.
func (s *Sources) storedImage(ctx context.Context, ref string, p ocispecs.Platform) (img *Image, others []string, err error) {
	found, err := s.findLocal(ref)
	if found == nil || err != nil {
		return nil, nil, err
	}
	if !slices.ContainsFunc(found.Platforms, func(q ocispecs.Platform) bool { return runsAs(q, p) }) {
		for _, q := range found.Platforms {
			others = append(others, platforms.FormatAll(q))
		}
		return nil, others, nil
	}
	defer track.Start(ctx, "using local image "+found.Name, 0).Done()
	s.stored.Store(found.Root.Digest, found) // later lookups use the digest
	img, err = s.imageIn(ctx, ref, storedBlobs{found}, found.Root, p)
	return img, nil, err
}

// runsAs reports whether an image for platform q can be used for platform p. The architecture
// must be equal, and the variant must be equal or older. Therefore, an image for 386 is not
// used for amd64.
func runsAs(q, p ocispecs.Platform) bool {
	return q.Architecture == p.Architecture && platforms.Only(p).Match(q)
}

// findLocal returns the stored image for a reference, regardless of its platforms, or nil
// if the image is not stored. A build always finds the same image for a digest, even if
// another build gives the name to a new image.
func (s *Sources) findLocal(ref string) (*images.Image, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil || s.Local == nil {
		return nil, nil //nolint:nilerr // the registry's client reports it
	}
	if d, ok := named.(reference.Digested); ok {
		if found, ok := s.stored.Load(d.Digest()); ok {
			return found.(*images.Image), nil
		}
	}
	found, err := s.Local(named)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return found, err
}

// withStoredPlatforms extends a registry's error for an image that is also stored locally,
// but not for the requested platform. The parameter others lists the platforms of the stored
// image. If others is empty, withStoredPlatforms returns err unchanged.
func withStoredPlatforms(err error, others []string) error {
	if err == nil || len(others) == 0 {
		return err
	}
	return fmt.Errorf("%w (the local image of that name is for %s only)", err, strings.Join(others, ", "))
}
