package source

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// layout finds an image of an OCI layout by its digest.
func (s *Sources) layout(ref string, attrs map[string]string, p ocispecs.Platform) (*Image, error) {
	store := attrs[pb.AttrOCILayoutStoreID]
	return s.ResolveLayout(ref, store, p)
}

// ResolveLayout finds the image with the digest of ref in the OCI layout that
// store names.
func (s *Sources) ResolveLayout(ref, store string, p ocispecs.Platform) (*Image, error) {
	dir, ok := s.Layouts[store]
	if !ok {
		return nil, fmt.Errorf("there is no OCI layout %q for this build", store)
	}
	_, want, ok := strings.Cut(ref, "@")
	if !ok {
		return nil, fmt.Errorf("%s has no digest", ref)
	}
	hash, err := v1.NewHash(want)
	if err != nil {
		return nil, err
	}
	idx, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", dir, err)
	}
	if sub, err := idx.ImageIndex(hash); err == nil {
		return s.fromIndex(ref, sub, p, hash)
	}
	img, err := idx.Image(hash)
	if err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", dir, err)
	}
	return s.found(ref, img, hash)
}
