package frontendimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// epoch returns the time of every file and of the image itself. A constant time makes the
// image reproducible.
func epoch() time.Time { return time.Unix(0, 0).UTC() }

// Index returns an image index with one image per binary, in the order of binaries.
func Index(binaries []Binary) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, b := range binaries {
		img, err := image(b)
		if err != nil {
			return nil, fmt.Errorf("image for %s: %w", b.Platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: &b.Platform},
		})
	}
	return index, nil
}

func image(b Binary) (v1.Image, error) {
	content, err := layerTar(b.Content)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestCompression))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(base, mutate.Addendum{
		Layer:     layer,
		MediaType: types.OCILayer,
		History: v1.History{
			Created:   v1.Time{Time: epoch()},
			CreatedBy: fmt.Sprintf("COPY /out/dockerfile-frontend %s", BinaryPath),
		},
	})
	if err != nil {
		return nil, err
	}
	cf, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	cf = cf.DeepCopy()
	cf.OS, cf.Architecture, cf.Variant = b.Platform.OS, b.Platform.Architecture, b.Platform.Variant
	cf.Created = v1.Time{Time: epoch()}
	cf.Config = v1.Config{
		// BuildKit sets this environment for FROM scratch.
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		WorkingDir: "/",
		Entrypoint: []string{BinaryPath},
		Labels:     Labels(),
	}
	return mutate.ConfigFile(img, cf)
}

// layerTar returns the only layer of an image: a tar of the program and its parent directory.
func layerTar(binary []byte) ([]byte, error) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	name := strings.TrimPrefix(BinaryPath, "/")
	for _, h := range []*tar.Header{
		{Typeflag: tar.TypeDir, Name: name[:strings.LastIndex(name, "/")+1], Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(binary))},
	} {
		h.ModTime, h.Format = epoch(), tar.FormatPAX
		if err := tw.WriteHeader(h); err != nil {
			return nil, err
		}
	}
	if _, err := tw.Write(binary); err != nil {
		return nil, err
	}
	return buf.Bytes(), tw.Close()
}
