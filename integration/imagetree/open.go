package imagetree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// Open unpacks an OCI archive below dir and returns its top-level index. The directory dir
// must exist. The index reads its content from dir, so the caller must not remove dir before
// the last use of the index.
func Open(archive, dir string) (v1.ImageIndex, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	target, err := os.MkdirTemp(dir, "layout-")
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(target)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return layout.ImageIndexFromPath(target)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", archive, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := root.MkdirAll(filepath.Dir(filepath.FromSlash(h.Name)), 0o755); err != nil {
			return nil, err
		}
		out, err := root.Create(filepath.FromSlash(h.Name))
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(out, tr)
		if err := errors.Join(err, out.Close()); err != nil {
			return nil, fmt.Errorf("unpack %s: %w", h.Name, err)
		}
	}
}

// images returns the images in an index, including the images in nested indexes, in order.
func images(index v1.ImageIndex) ([]v1.Image, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var list []v1.Image
	for _, d := range manifest.Manifests {
		if d.MediaType.IsIndex() {
			child, err := index.ImageIndex(d.Digest)
			if err != nil {
				return nil, err
			}
			nested, err := images(child)
			if err != nil {
				return nil, err
			}
			list = append(list, nested...)
			continue
		}
		img, err := index.Image(d.Digest)
		if err != nil {
			return nil, err
		}
		list = append(list, img)
	}
	return list, nil
}
