package export

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Root is an image or an image index to export, and its descriptor in the index.json of an OCI
// layout.
type Root struct {
	Content    partial.Describable // a v1.Image or a v1.ImageIndex
	Descriptor v1.Descriptor
	Names      []string // full image names in archives, such as docker.io/library/app:1
}

// WithNames returns a copy of r with the given full image names, under which archives list
// the image.
func (r *Root) WithNames(names []string) *Root {
	named := *r
	named.Names = names
	return &named
}

// NewRoot returns a Root for content, which is an image or an index. The platform p and
// the annotations become part of its descriptor. If p is nil, the descriptor has no
// platform.
func NewRoot(content partial.Describable, p *ocispecs.Platform, annotations map[string]string) (*Root, error) {
	d, err := partial.Descriptor(content)
	if err != nil {
		return nil, err
	}
	d.ArtifactType, d.Annotations = "", annotations // images have no artifact type
	if p != nil {
		d.Platform = platformOf(*p)
	}
	return &Root{Content: content, Descriptor: *d}, nil
}

func platformOf(p ocispecs.Platform) *v1.Platform {
	return &v1.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures}
}

// WriteOCI writes images and indexes to w as a tar archive of an OCI layout.
//
// See https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md.
func WriteOCI(w io.Writer, roots ...*Root) error {
	a := newArchive(w)
	if err := a.layout(roots); err != nil {
		return err
	}
	return a.tar.Close()
}

// WriteDocker writes images to w as a tar archive for docker load. As in BuildKit, the archive
// is an OCI layout that also contains a manifest.json, which only old engines read. If one of
// the roots is an index, it must contain a single image, with or without attestations.
func WriteDocker(w io.Writer, roots ...*Root) error {
	var entries []dockerEntry
	for _, r := range roots {
		e, err := newDockerEntry(r)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	a := newArchive(w)
	if err := a.layout(roots); err != nil {
		return err
	}
	data, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	if err := a.file("manifest.json", data); err != nil {
		return err
	}
	return a.tar.Close()
}

// dockerEntry is the entry of one image in manifest.json, a file in the archives of docker
// save.
type dockerEntry struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func newDockerEntry(root *Root) (dockerEntry, error) {
	img, err := onlyImage(root.Content)
	if err != nil {
		return dockerEntry{}, err
	}
	m, err := img.Manifest()
	if err != nil {
		return dockerEntry{}, err
	}
	e := dockerEntry{Config: blobPath(m.Config.Digest)}
	for _, name := range root.Names {
		ref, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return dockerEntry{}, err
		}
		e.RepoTags = append(e.RepoTags, reference.FamiliarString(ref))
	}
	for _, l := range m.Layers {
		e.Layers = append(e.Layers, blobPath(l.Digest))
	}
	return e, nil
}

// onlyImage returns the image that content is or, if it is an index, the only image in it that
// is not for attestations.
func onlyImage(content partial.Describable) (v1.Image, error) {
	if img, ok := content.(v1.Image); ok {
		return img, nil
	}
	if idx, ok := content.(v1.ImageIndex); ok {
		m, err := idx.IndexManifest()
		if err != nil {
			return nil, err
		}
		if list := slices.DeleteFunc(m.Manifests, IsAttestation); len(list) == 1 {
			return idx.Image(list[0].Digest)
		}
	}
	return nil, fmt.Errorf("cannot write a %T for docker load", content)
}

// archive writes an OCI layout as a tar archive.
type archive struct {
	layoutWriter
	tar *tar.Writer
}

func newArchive(w io.Writer) *archive {
	a := &archive{tar: tar.NewWriter(w)}
	a.layoutWriter = layoutWriter{written: map[string]bool{}, put: a.put}
	return a
}

// put writes a file of the given size to the archive.
func (a *archive) put(name string, size int64, r io.Reader) error {
	if err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644}); err != nil {
		return err
	}
	_, err := io.Copy(a.tar, r)
	return err
}

// layoutWriter writes the files of an OCI layout. It calls the function put once for each
// file.
type layoutWriter struct {
	written map[string]bool
	put     func(name string, size int64, r io.Reader) error
}

func blobPath(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

func (a *archive) layout(roots []*Root) error {
	for _, dir := range []string{"blobs/", "blobs/sha256/"} {
		if err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}); err != nil {
			return err
		}
	}
	idx := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for _, root := range roots {
		if err := a.blobs(root.Content); err != nil {
			return err
		}
		idx.Manifests = append(idx.Manifests, root.indexEntries()...)
	}
	data, err := json.Marshal(idx)
	if err != nil {
		return err
	}
	if err := a.file("index.json", data); err != nil {
		return err
	}
	return a.file(ocispecs.ImageLayoutFile, []byte(`{"imageLayoutVersion":"1.0.0"}`))
}

// indexEntries returns the entries for the image r in index.json: one for each name, or a
// single entry without a name if r has no names.
func (r *Root) indexEntries() []v1.Descriptor {
	if len(r.Names) == 0 {
		return []v1.Descriptor{r.Descriptor}
	}
	var list []v1.Descriptor
	for _, name := range r.Names {
		named := r.Descriptor
		named.Annotations = with(r.Descriptor.Annotations, imageNameAnnotation, name)
		named.Annotations[ocispecs.AnnotationRefName] = tagOf(name)
		list = append(list, named)
	}
	return list
}

// imageNameAnnotation is the annotation with the full name of an image in index.json, which
// containerd reads.
const imageNameAnnotation = "io.containerd.image.name"

// with returns a copy of annotations in which key has the given value.
func with(annotations map[string]string, key, value string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, annotations)
	out[key] = value
	return out
}

func (a *layoutWriter) blobs(what partial.Describable) error {
	switch what := what.(type) {
	case v1.ImageIndex:
		m, err := what.IndexManifest()
		if err != nil {
			return err
		}
		for _, d := range m.Manifests {
			img, err := what.Image(d.Digest)
			if err != nil {
				return err
			}
			if err := a.blobs(img); err != nil {
				return err
			}
		}
		raw, err := what.RawManifest()
		if err != nil {
			return err
		}
		return a.blob(raw)
	case v1.Image:
		return a.image(what)
	}
	return fmt.Errorf("cannot write a %T", what)
}

func (a *layoutWriter) image(img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		if err := a.layer(l); err != nil {
			return err
		}
	}
	for _, raw := range []func() ([]byte, error){img.RawConfigFile, img.RawManifest} {
		data, err := raw()
		if err != nil {
			return err
		}
		if err := a.blob(data); err != nil {
			return err
		}
	}
	return nil
}

func (a *layoutWriter) layer(l v1.Layer) error {
	h, err := l.Digest()
	if err != nil {
		return err
	}
	size, err := l.Size()
	if err != nil {
		return err
	}
	if a.written[blobPath(h)] {
		return nil
	}
	r, err := l.Compressed()
	if err != nil {
		return err
	}
	defer r.Close()
	return a.copy(blobPath(h), size, r)
}

func (a *layoutWriter) blob(data []byte) error {
	h, _, err := v1.SHA256(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return a.file(blobPath(h), data)
}

func (a *layoutWriter) file(name string, data []byte) error {
	return a.copy(name, int64(len(data)), bytes.NewReader(data))
}

func (a *layoutWriter) copy(name string, size int64, r io.Reader) error {
	if a.written[name] {
		return nil
	}
	a.written[name] = true
	return a.put(name, size, r)
}

// tagOf returns the tag of a full image name, such as "1" for docker.io/library/app:1.
func tagOf(name string) string {
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[i+1:]
	}
	return "latest"
}
