package llbsource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxManifest is the maximum size of manifests and configs, in bytes.
const maxManifest = 16 << 20

// These are Docker's media types for images. This package accepts them in addition to
// the media types of OCI.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// imageStore provides the manifests, configs and layers of images, for example from a
// registry, an OCI layout or an archive.
type imageStore interface {
	// manifest returns the manifest or index with the digest of d. Other fields of d may
	// be zero.
	manifest(ctx context.Context, d ocispecs.Descriptor) ([]byte, error)
	// blob opens a config or a layer. The caller must close the result.
	blob(ctx context.Context, d ocispecs.Descriptor) (io.ReadCloser, error)
}

// Image is a resolved image whose layers have not been fetched.
type Image struct {
	s        *Sources
	name     string
	from     imageStore
	layers   []ocispecs.Descriptor
	digest   digest.Digest // digest of the manifest
	resolved digest.Digest // digest of the index, or of the manifest if no index exists
	config   []byte
	platform ocispecs.Platform
	limit    int // number of layers of the source, the lowest ones; 0 means all layers
}

// Digest implements [solver.Source].
func (i *Image) Digest() digest.Digest {
	if i.limit > 0 {
		return digest.FromString(fmt.Sprintf("%d layers of %s", i.limit, i.digest))
	}
	return i.digest
}

// ResolvedDigest returns the digest to which the reference resolves. For a
// multi-platform image, this is the digest of the index.
func (i *Image) ResolvedDigest() digest.Digest { return i.resolved }

// Config returns the image config as JSON.
func (i *Image) Config() []byte { return i.config }

// Machine returns the default platform of builds on this machine: Linux with the
// machine's architecture, even on other operating systems.
func Machine() ocispecs.Platform { return linuxOn(platforms.DefaultSpec()) }

// linuxOn returns the Linux platform with the architecture of the platform p. Another system's
// version, such as 10.0.26100 of Windows, is not part of it.
func linuxOn(p ocispecs.Platform) ocispecs.Platform {
	return platforms.Normalize(ocispecs.Platform{OS: "linux", Architecture: p.Architecture, Variant: p.Variant})
}

func platformOf(p *pb.Platform) ocispecs.Platform {
	if p == nil {
		return Machine()
	}
	return platforms.Normalize(ocispecs.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures})
}

// manifest contains the fields of image manifests and indexes that this package uses. An
// index has Manifests. An image manifest has Config and Layers.
type manifest struct {
	MediaType string                `json:"mediaType"`
	Config    *ocispecs.Descriptor  `json:"config"`
	Layers    []ocispecs.Descriptor `json:"layers"`
	Manifests []ocispecs.Descriptor `json:"manifests"`
}

func parseManifest(data []byte) (*manifest, error) {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	switch m.MediaType {
	case ocispecs.MediaTypeImageIndex, dockerList, ocispecs.MediaTypeImageManifest, dockerManifest, "":
	default:
		return nil, fmt.Errorf("manifest: media type %s is not an image type", m.MediaType)
	}
	if (m.Config == nil) == (m.Manifests == nil) {
		return nil, errors.New("manifest: is neither that of an image nor an index")
	}
	return &m, nil
}

// imageIn reads the manifest and the config of the image with descriptor d from a store.
// If d is an index, it chooses the manifest that best matches the platform p.
func (s *Sources) imageIn(ctx context.Context, ref string, from imageStore, d ocispecs.Descriptor, p ocispecs.Platform) (*Image, error) {
	img := &Image{s: s, name: ref, from: from, resolved: d.Digest, platform: p}
	m, err := img.manifest(ctx, d)
	if err != nil {
		return nil, err
	}
	if m.Config == nil {
		if d, err = choose(m.Manifests, p); err != nil {
			return nil, err
		}
		if m, err = img.manifest(ctx, d); err != nil {
			return nil, err
		}
		if m.Config == nil {
			return nil, fmt.Errorf("the index has an index for platform %s", platforms.FormatAll(p))
		}
	}
	img.digest, img.layers = d.Digest, m.Layers
	img.config, err = img.smallBlob(m.Config.Digest, func() (io.ReadCloser, error) { return from.blob(ctx, *m.Config) })
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return img, nil
}

// choose returns the manifest in list, the manifests of an index, that best matches the
// platform p.
func choose(list []ocispecs.Descriptor, p ocispecs.Platform) (ocispecs.Descriptor, error) {
	match := platforms.Only(p)
	var best *ocispecs.Descriptor
	for i, d := range list {
		if d.Platform == nil || !match.Match(*d.Platform) {
			continue
		}
		if best == nil || match.Less(*d.Platform, *best.Platform) {
			best = &list[i]
		}
	}
	if best == nil {
		return ocispecs.Descriptor{}, fmt.Errorf("no match for platform %s", platforms.FormatAll(p))
	}
	return *best, nil
}

// manifest returns the parsed manifest or index to which the descriptor d refers. It
// fetches the content only if the local store lacks it.
func (i *Image) manifest(ctx context.Context, d ocispecs.Descriptor) (*manifest, error) {
	data, err := i.smallBlob(d.Digest, func() (io.ReadCloser, error) {
		data, err := i.from.manifest(ctx, d)
		return io.NopCloser(bytes.NewReader(data)), err
	})
	if err != nil {
		return nil, err
	}
	return parseManifest(data)
}

// smallBlob returns the content of the manifest or config with digest d. If the local
// store lacks this blob, smallBlob calls the function open to read it, verifies the
// content, and stores it.
func (i *Image) smallBlob(d digest.Digest, open func() (io.ReadCloser, error)) ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("%q: %w", d, err)
	}
	if data, err := i.s.Store.Find(d, maxManifest); err == nil && digest.FromBytes(data) == d {
		return data, nil
	}
	r, err := open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	switch err := errors.Join(err, r.Close()); {
	case err != nil:
		return nil, err
	case len(data) > maxManifest:
		return nil, fmt.Errorf("%s has more than %d bytes", d, maxManifest)
	case digest.FromBytes(data) != d:
		return nil, fmt.Errorf("what should be %s is %s", d, digest.FromBytes(data))
	}
	_, err = i.s.Store.PutBytes(data)
	return data, err
}
