package export

import (
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// MediaTypes selects the media types of images, indexes and layers. The zero value is those of
// OCI. Docker's are for old registries and engines.
type MediaTypes struct{ Docker bool }

// manifest returns the media type of image manifests.
func (m MediaTypes) manifest() string {
	if m.Docker {
		return string(types.DockerManifestSchema2)
	}
	return ocispecs.MediaTypeImageManifest
}

// config returns the media type of image configs.
func (m MediaTypes) config() string {
	if m.Docker {
		return string(types.DockerConfigJSON)
	}
	return ocispecs.MediaTypeImageConfig
}

// Index returns the media type of image indexes.
func (m MediaTypes) Index() string {
	if m.Docker {
		return string(types.DockerManifestList)
	}
	return ocispecs.MediaTypeImageIndex
}

// Prefixes of the media types of layers. The rest is the compression: nothing, +gzip or +zstd, and
// .gzip or .zstd in Docker's types.
const (
	ociLayer           = "application/vnd.oci.image.layer.v1.tar"
	ociLayerForeign    = "application/vnd.oci.image.layer.nondistributable.v1.tar"
	dockerLayer        = "application/vnd.docker.image.rootfs.diff.tar"
	dockerLayerForeign = "application/vnd.docker.image.rootfs.foreign.diff.tar"
)

// Layer returns the media type of a layer whose media type t is OCI's or Docker's. Other types are
// returned unchanged.
func (m MediaTypes) Layer(t string) string {
	for _, pair := range [][2]string{{ociLayer, dockerLayer}, {ociLayerForeign, dockerLayerForeign}} {
		for _, prefix := range pair {
			compression, ok := strings.CutPrefix(t, prefix)
			if !ok {
				continue
			}
			compression = strings.TrimLeft(compression, "+.")
			switch {
			case compression == "" && m.Docker:
				return pair[1]
			case compression == "":
				return pair[0]
			case m.Docker:
				return pair[1] + "." + compression
			}
			return pair[0] + "+" + compression
		}
	}
	return t
}
