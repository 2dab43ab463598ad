package llbsource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/go-archive/compression"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/regularfile"
	"slipway/solver/snapshot"
)

// nameAnnotation is the annotation in which containerd and Docker store the full name of
// an image.
const nameAnnotation = "io.containerd.image.name"

// maxListed is the maximum number of image names that an error lists.
const maxListed = 20

// imageFiles holds the list of images in an OCI layout or in an image archive, and gives
// access to their blobs.
type imageFiles struct {
	from   imageStore
	images []imageEntry
	found  map[digest.Digest]int // index in images, by digest
}

// imageEntry is an image in a layout or archive, with its names.
type imageEntry struct {
	digest digest.Digest // digest of the manifest or index
	names  []string      // tags and full names
}

// ResolveLayout returns the image with the digest of ref, for example name@sha256:…, from
// the OCI layout or archive whose store ID is store.
func (s *Sources) ResolveLayout(ctx context.Context, ref, store string, p ocispecs.Platform) (*Image, error) {
	_, want, ok := strings.Cut(ref, "@")
	if !ok {
		return nil, fmt.Errorf("%s has no digest", ref)
	}
	if s.Client != nil {
		return s.imageIn(ctx, ref, clientLayout{s.Client, store}, ocispecs.Descriptor{Digest: digest.Digest(want)}, p)
	}
	file, ok := s.Layouts[store]
	if !ok {
		return nil, fmt.Errorf("the build has no OCI layout %q", store)
	}
	l, err := s.imageFiles(ctx, file)
	if err == nil {
		var img *Image
		if img, err = s.imageIn(ctx, ref, l.from, ocispecs.Descriptor{Digest: digest.Digest(want)}, p); err == nil {
			return img, nil
		}
	}
	return nil, fmt.Errorf("images of %s: %w", file, err)
}

// FindImage returns the digest of an image in file, which is an OCI layout or an archive
// of images. The parameter want is the name or the tag of the image. If want is "",
// FindImage returns the digest of the only image, or of the image with the tag latest.
func (s *Sources) FindImage(ctx context.Context, file, want string) (digest.Digest, error) {
	l, err := s.imageFiles(ctx, file)
	if err != nil {
		return "", err
	}
	var found []digest.Digest
	var all []string
	for _, i := range l.images {
		all = append(all, i.names...)
		if len(l.images) == 1 && want == "" || slices.ContainsFunc(i.names, func(n string) bool { return matchesName(n, want) }) {
			found = append(found, i.digest)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	err = fmt.Errorf("it has %d images", len(l.images))
	if want != "" {
		err = fmt.Errorf("it has %d images that are called %q", len(found), want)
	}
	if len(all) > maxListed {
		all = append(all[:maxListed], "…")
	}
	if len(all) > 0 {
		err = fmt.Errorf("%w, there are %s", err, strings.Join(all, ", "))
	}
	return "", err
}

// matchesName reports whether name, the name of an image, matches want, which is a full
// name or a tag. If want is "", the tag is latest. Names are compared after normalization.
func matchesName(name, want string) bool {
	if want == "" {
		want = "latest"
	}
	if name == want || strings.HasSuffix(name, ":"+want) {
		return true
	}
	a, errA := reference.ParseNormalizedNamed(name)
	b, errB := reference.ParseNormalizedNamed(want)
	return errors.Join(errA, errB) == nil && reference.TagNameOnly(a).String() == reference.TagNameOnly(b).String()
}

// imageFiles lists the images in an OCI layout directory or in an image archive. The
// parameter file is the path of the directory or archive. Within a build, imageFiles reads
// each directory or archive only once.
func (s *Sources) imageFiles(ctx context.Context, file string) (*imageFiles, error) {
	return s.layouts.Do(ctx, file, func(ctx context.Context) (*imageFiles, error) {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			return ociFiles(regularfile.Dir(file))
		}
		if !info.Mode().IsRegular() {
			return nil, errors.New("is neither a directory nor a file")
		}
		a, err := s.openArchive(ctx, file)
		if err != nil {
			return nil, err
		}
		if _, ok := a.files["index.json"]; ok {
			return ociFiles(a)
		}
		return dockerFiles(a)
	})
}

// ociFiles lists the images in the index.json of an OCI layout.
func ociFiles(files fs.FS) (*imageFiles, error) {
	data, err := readSmall(files, "index.json")
	if err != nil {
		return nil, err
	}
	var idx ocispecs.Index
	if err := json.Unmarshal(data, &idx); err != nil {
		return nil, fmt.Errorf("index.json: %w", err)
	}
	l := &imageFiles{from: &layout{files}, found: map[digest.Digest]int{}}
	for _, d := range idx.Manifests {
		var names []string
		for _, key := range []string{nameAnnotation, ocispecs.AnnotationRefName} {
			if n := d.Annotations[key]; n != "" {
				names = append(names, n)
			}
		}
		l.add(d.Digest, names)
	}
	return l, nil
}

// add adds names to an image in the image list l. The digest d identifies the image. If l
// does not contain the image, add first appends the image to l.
func (l *imageFiles) add(d digest.Digest, names []string) {
	i, ok := l.found[d]
	if !ok {
		i = len(l.images)
		l.found[d] = i
		l.images = append(l.images, imageEntry{digest: d})
	}
	l.images[i].names = append(l.images[i].names, names...)
}

// dockerFiles reads an archive in the old format of docker save, in which manifest.json
// lists configs and layers. Images in this format have no manifests, so an equivalent
// manifest is created for each.
//
// See https://github.com/moby/docker-image-spec/blob/v1.3.1/v1.2.md#combined-image-json--filesystem-changeset-format.
func dockerFiles(a *archive) (*imageFiles, error) {
	if _, ok := a.files["manifest.json"]; !ok {
		return nil, errors.New("is no archive of images: it has neither index.json nor manifest.json")
	}
	data, err := readSmall(a, "manifest.json")
	if err != nil {
		return nil, err
	}
	var list []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	from := &dockerArchive{archive: a, manifests: map[digest.Digest][]byte{}, names: map[digest.Digest]string{}, hashed: map[archiveEntry]digest.Digest{}}
	l := &imageFiles{from: from, found: map[digest.Digest]int{}}
	for _, e := range list {
		d, err := from.add(e.Config, e.Layers)
		if err != nil {
			return nil, fmt.Errorf("manifest.json: %w", err)
		}
		l.add(d, e.RepoTags)
	}
	return l, nil
}

// dockerArchive is an [imageStore] for an archive in the old format of docker save.
type dockerArchive struct {
	*archive
	manifests map[digest.Digest][]byte
	names     map[digest.Digest]string       // file names of configs and layers
	hashed    map[archiveEntry]digest.Digest // digests of the compressed layers hashed so far
}

func (a *dockerArchive) manifest(_ context.Context, d ocispecs.Descriptor) ([]byte, error) {
	data, ok := a.manifests[d.Digest]
	if !ok {
		return nil, fmt.Errorf("image %s does not exist", d.Digest)
	}
	return data, nil
}

func (a *dockerArchive) blob(_ context.Context, d ocispecs.Descriptor) (io.ReadCloser, error) {
	return a.Open(a.names[d.Digest])
}

// add creates a manifest for an image of the archive and returns the manifest's digest.
// The parameters config and layers are names of files in the archive.
func (a *dockerArchive) add(config string, layers []string) (digest.Digest, error) {
	data, err := readSmall(a.archive, config)
	if err != nil {
		return "", err
	}
	var img ocispecs.Image
	if err := json.Unmarshal(data, &img); err != nil {
		return "", fmt.Errorf("config %s: %w", config, err)
	}
	if len(layers) != len(img.RootFS.DiffIDs) {
		return "", fmt.Errorf("names %d layers, the config %s lists %d", len(layers), config, len(img.RootFS.DiffIDs))
	}
	if len(layers) > snapshot.MaxLayers {
		return "", fmt.Errorf("names %d layers, more than %d", len(layers), snapshot.MaxLayers)
	}
	m := ocispecs.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageManifest,
		Config: ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageConfig, Digest: digest.FromBytes(data), Size: int64(len(data))},
		Layers: []ocispecs.Descriptor{},
	}
	a.names[m.Config.Digest] = config
	for i, name := range layers {
		d, err := a.layer(name, img.RootFS.DiffIDs[i])
		if err != nil {
			return "", err
		}
		a.names[d.Digest] = name
		m.Layers = append(m.Layers, d)
	}
	if data, err = json.Marshal(m); err != nil {
		return "", err
	}
	d := digest.FromBytes(data)
	a.manifests[d] = data
	return d, nil
}

// layer returns the descriptor of the layer that the archive contains under a file name.
// The digest of an uncompressed layer is its diffID, which layer does not verify, because
// Unpack does so later. For a compressed layer, layer computes the digest.
func (a *dockerArchive) layer(name string, diffID digest.Digest) (ocispecs.Descriptor, error) {
	d := ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageLayer, Digest: diffID}
	f, err := a.find(name)
	if err != nil {
		return d, err
	}
	d.Size = f.size
	r, err := a.Open(name)
	if err != nil {
		return d, err
	}
	defer r.Close()
	head := make([]byte, maxMagic)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return d, err
	}
	switch c := compression.Detect(head[:n]); c {
	case compression.None:
		return d, nil
	case compression.Gzip:
		d.MediaType = ocispecs.MediaTypeImageLayerGzip
	case compression.Zstd:
		d.MediaType = ocispecs.MediaTypeImageLayerZstd
	default:
		return d, fmt.Errorf("layer %s is compressed as %s, which images cannot be", name, c.Extension())
	}
	if d.Digest = a.hashed[f]; d.Digest != "" {
		return d, nil // another image has the same layer
	}
	hash := sha256.New()
	_, err = io.Copy(hash, io.MultiReader(bytes.NewReader(head[:n]), r))
	d.Digest = digest.NewDigest(digest.SHA256, hash)
	a.hashed[f] = d.Digest
	return d, err
}
