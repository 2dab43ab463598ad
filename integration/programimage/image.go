package programimage

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
)

// Spec specifies images of a program, one for each platform.
type Spec struct {
	Path       string // of the program in the image; it is the entrypoint
	Source     string // of the program, for the history; as in a Dockerfile
	Labels     map[string]string
	Env        []string // in addition to PATH
	WorkingDir string   // if it is "", the root directory
	Files      []File   // in addition to the program
	// Attest returns the attestations of an image. If it is nil, images have no attestations.
	Attest func(Binary) ([]Attestation, error)
}

// A File is a file or a directory in an image. Its parent directories are created.
type File struct {
	Path string // absolute; that of a directory ends with a slash
	Mode int64
	Data []byte
}

// epoch returns the time of every file and of the image itself. A constant time makes the
// image reproducible.
func epoch() time.Time { return time.Unix(0, 0).UTC() }

// Index returns an image index with one image per binary, in the order of binaries. The
// attestations follow the images.
func (s Spec) Index(binaries []Binary) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var attestations []mutate.IndexAddendum
	for _, b := range binaries {
		img, err := s.image(b)
		if err != nil {
			return nil, fmt.Errorf("image for %s: %w", b.Platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: &b.Platform},
		})
		if s.Attest == nil {
			continue
		}
		entry, err := s.attest(b, img)
		if err != nil {
			return nil, fmt.Errorf("attestations for %s: %w", b.Platform, err)
		}
		attestations = append(attestations, entry)
	}
	return mutate.AppendManifests(index, attestations...), nil
}

func (s Spec) image(b Binary) (v1.Image, error) {
	content, err := layerTar(slices.Concat(s.Files, []File{{s.Path, 0o755, b.Content}}))
	if err != nil {
		return nil, err
	}
	blob, err := compress(content)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(blob)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(base, mutate.Addendum{
		Layer:     layer,
		MediaType: types.OCILayer,
		History: v1.History{
			Created:   v1.Time{Time: epoch()},
			CreatedBy: fmt.Sprintf("COPY %s %s", s.Source, s.Path),
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
		Env:        append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, s.Env...),
		WorkingDir: path.Join("/", s.WorkingDir),
		Entrypoint: []string{s.Path},
		Labels:     s.Labels,
	}
	return mutate.ConfigFile(img, cf)
}

// compress returns data as a gzip file. A layer from package tarball would compress its data each
// time that it is read.
func compress(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// layerTar returns the only layer of an image: a tar of files, sorted by path, and of their
// parent directories. All belong to root.
func layerTar(files []File) ([]byte, error) {
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	made := map[string]bool{}
	for _, f := range files {
		list := append(missingParents(f.Path, made), f)
		for _, f := range list {
			h := &tar.Header{
				Typeflag: tar.TypeReg, Name: strings.TrimPrefix(f.Path, "/"), Mode: f.Mode, Size: int64(len(f.Data)),
				ModTime: epoch(), Format: tar.FormatPAX,
			}
			if strings.HasSuffix(f.Path, "/") {
				h.Typeflag, made[f.Path] = tar.TypeDir, true
			}
			if err := tw.WriteHeader(h); err != nil {
				return nil, err
			}
			if _, err := tw.Write(f.Data); err != nil {
				return nil, err
			}
		}
	}
	return buf.Bytes(), tw.Close()
}

// missingParents returns the parent directories of a path that are not made yet, outermost first.
func missingParents(name string, made map[string]bool) []File {
	var list []File
	for i := 1; i < len(name)-1; i++ {
		if dir := name[:i+1]; name[i] == '/' && !made[dir] {
			list = append(list, File{Path: dir, Mode: 0o755})
		}
	}
	return list
}
