package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/regularfile"
)

// WriteLayout writes an image or an index to the OCI layout in the directory dir, which may
// contain other images. It creates the directory if needed. If another image in the layout has
// one of the names, the name moves to the new image. An image without names gets the tag
// latest.
//
// Upstream: blobs of replaced images remain in the directory.
func WriteLayout(ctx context.Context, dir string, root *Root) error {
	w := &layoutWriter{written: map[string]bool{}, put: func(name string, size int64, r io.Reader) error {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Size() == size {
			return nil // the name of a blob is its digest
		}
		return WriteFile(file, func(w io.Writer) error {
			_, err := io.Copy(Writer(ctx, w), r)
			return err
		})
	}}
	if err := w.blobs(root.Content); err != nil {
		return err
	}
	unlock, err := LockIndex(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	idx, err := readLayoutIndex(dir)
	if err != nil {
		return err
	}
	for _, d := range root.layoutEntries() {
		idx.Manifests = append(slices.DeleteFunc(idx.Manifests, func(old v1.Descriptor) bool { return sameName(old, d) }), d)
	}
	return errors.Join(
		writeJSON(filepath.Join(dir, ocispecs.ImageLayoutFile), ocispecs.ImageLayout{Version: ocispecs.ImageLayoutVersion}),
		writeJSON(filepath.Join(dir, ocispecs.ImageIndexFile), idx))
}

// sameName reports whether two entries of an index.json are for the same name and tag.
func sameName(a, b v1.Descriptor) bool {
	return a.Annotations[ocispecs.AnnotationRefName] == b.Annotations[ocispecs.AnnotationRefName] &&
		a.Annotations[imageNameAnnotation] == b.Annotations[imageNameAnnotation]
}

// layoutEntries returns the entries for the image r in the index.json of a layout that may
// contain other images. Every entry has a tag.
func (r *Root) layoutEntries() []v1.Descriptor {
	list := r.indexEntries()
	if len(r.Names) == 0 {
		list[0].Annotations = with(list[0].Annotations, ocispecs.AnnotationRefName, "latest")
	}
	return list
}

// readLayoutIndex reads the index.json of the OCI layout in dir. If it does not exist,
// readLayoutIndex returns an empty index.
func readLayoutIndex(dir string) (*v1.IndexManifest, error) {
	name := filepath.Join(dir, ocispecs.ImageIndexFile)
	idx := &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	data, err := regularfile.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return idx, nil
	}
	if err == nil {
		err = json.Unmarshal(data, idx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return idx, nil
}

func writeJSON(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return WriteFile(name, func(w io.Writer) error { _, err := w.Write(data); return err })
}

// WriteBlobs calls put with each blob of the image or index: layers, configs and manifests. A
// manifest comes after the blobs to which it refers. WriteBlobs returns the first error of put.
func (r *Root) WriteBlobs(put func(d digest.Digest, size int64, r io.Reader) error) error {
	w := &layoutWriter{written: map[string]bool{}, put: func(name string, size int64, r io.Reader) error {
		algorithm, hex := path.Split(strings.TrimPrefix(name, "blobs/"))
		return put(digest.NewDigestFromEncoded(digest.Algorithm(strings.TrimSuffix(algorithm, "/")), hex), size, r)
	}}
	return w.blobs(r.Content)
}
