package builder

import (
	"context"
	"encoding/json"

	"github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
)

// ImageDetails describes a stored image, including its manifests and configs.
type ImageDetails struct {
	Name      string
	Digest    digest.Digest // digest of the manifest or the index
	MediaType string
	Size      int64           // total size of the blobs in bytes
	Index     json.RawMessage `json:",omitempty"` // nil for a single image
	Images    []ImageOfPlatform
}

// ImageOfPlatform describes a stored image, or the image for one platform in a stored
// index.
type ImageOfPlatform struct {
	Platform string
	Digest   string
	Manifest json.RawMessage
	Config   json.RawMessage
}

// Inspect returns the manifests and configs of the stored image called name.
func (x *ImageStore) Inspect(ctx context.Context, name string) (*ImageDetails, error) {
	release, err := x.s.Hold(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	img, err := x.find(name)
	if err != nil {
		return nil, err
	}
	root, err := x.s.Images.Open(img)
	if err != nil {
		return nil, err
	}
	d := &ImageDetails{Name: img.Name, Digest: img.Root.Digest, MediaType: img.Root.MediaType, Size: img.Size()}
	list := []v1.Image{}
	switch what := root.Content.(type) {
	case v1.Image:
		list = append(list, what)
	case v1.ImageIndex:
		if d.Index, err = what.RawManifest(); err != nil {
			return nil, err
		}
		m, err := what.IndexManifest()
		if err != nil {
			return nil, err
		}
		for _, e := range m.Manifests {
			one, err := what.Image(e.Digest)
			if err != nil {
				return nil, err
			}
			list = append(list, one)
		}
	}
	for i, one := range list {
		p, err := imageOfPlatform(one)
		if err != nil {
			return nil, err
		}
		p.Platform = platforms.FormatAll(img.Platforms[i])
		d.Images = append(d.Images, p)
	}
	return d, nil
}

func imageOfPlatform(img v1.Image) (p ImageOfPlatform, err error) {
	hash, err := img.Digest()
	if err != nil {
		return p, err
	}
	p.Digest = hash.String()
	if p.Manifest, err = img.RawManifest(); err != nil {
		return p, err
	}
	p.Config, err = img.RawConfigFile()
	return p, err
}
