package builder

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/export"
	"slipway/solver/track"
)

// makeImage creates the image of a build result, or an index if the result has several
// platforms. It records the digests in out.result.
func makeImage(ctx context.Context, x *export.Exporter, o *Options, out imageOutput, b buildResult) (*export.Root, error) {
	notes, err := imageAnnotations(o, out.Output, b.metadata)
	if err != nil {
		return nil, err
	}
	if err := out.checkTypes(notes, b.results); err != nil {
		return nil, err
	}
	images, err := platformImages(ctx, x, notes, b.results)
	if err != nil {
		return nil, err
	}
	var entries []export.IndexEntry
	for _, i := range images {
		entries = append(entries, i.entry)
	}
	isIndex := b.isMap || out.attests(b.results)
	if isIndex {
		more, err := attestationEntries(x.Store, o, out.Output, images)
		if err != nil {
			return nil, err
		}
		entries = append(entries, more...)
	}
	about := notes.forKind(exptypes.AnnotationIndexDescriptor, nil)
	if !isIndex {
		about = entries[0].Annotations
	}
	if about, err = out.descriptorAnnotations(about, b, entries[:len(b.results)]); err != nil {
		return nil, err
	}
	if isIndex {
		idx, err := export.Index(entries, notes.forKind(exptypes.AnnotationIndex, nil), x.Types)
		if err != nil {
			return nil, err
		}
		root, err := export.NewRoot(idx, nil, about)
		if err != nil {
			return nil, err
		}
		track.Start(ctx, "exporting manifest list "+root.Descriptor.Digest.String(), 0).Done()
		return root, out.record(root.Descriptor)
	}
	config, err := entries[0].Image.ConfigName()
	if err != nil {
		return nil, err
	}
	out.result.Exported[exptypes.ExporterImageConfigDigestKey] = config.String()
	root, err := export.NewRoot(entries[0].Image, &entries[0].Platform, about)
	if err != nil {
		return nil, err
	}
	return root, out.record(root.Descriptor)
}

// platformImage is the image of one platform.
type platformImage struct {
	result export.PlatformResult
	entry  export.IndexEntry // with the image
	blobs  *export.Blobs     // of the image
}

// platformImages creates the images of all platforms.
func platformImages(ctx context.Context, x *export.Exporter, notes annotations, results []export.PlatformResult) ([]platformImage, error) {
	var images []platformImage
	for _, r := range results {
		r.Annotations = notes.forKind(exptypes.AnnotationManifest, &r.Platform)
		img, blobs, err := x.Image(ctx, r)
		if err != nil {
			return nil, err
		}
		images = append(images, platformImage{result: r, blobs: blobs, entry: export.IndexEntry{
			Image: img, Platform: r.Platform, Annotations: notes.forKind(exptypes.AnnotationManifestDescriptor, &r.Platform),
		}})
	}
	return images, nil
}

// checkTypes returns an error if an image with Docker's media types cannot contain the annotations
// or attestations of the output.
func (out imageOutput) checkTypes(notes annotations, results []export.PlatformResult) error {
	if !out.mediaTypes().Docker {
		return nil
	}
	for key := range notes {
		if key.Type != exptypes.AnnotationManifest {
			return fmt.Errorf("cannot export annotations with %q", ociTypesAttr+"=false") // worded as in BuildKit
		}
	}
	if out.attests(results) {
		return fmt.Errorf("cannot export attestations with %q", ociTypesAttr+"=false") // worded as in BuildKit
	}
	return nil
}

// descriptorAnnotations returns the annotations for the image's descriptor in index.json: the
// annotations that the user gave and, for an archive, the creation time of the image.
//
// Upstream: without SOURCE_DATE_EPOCH, BuildKit uses the time of the export. We use the
// creation time of the image, so that a cached build gives the same archive.
func (out imageOutput) descriptorAnnotations(given map[string]string, b buildResult, entries []export.IndexEntry) (map[string]string, error) {
	if out.Type == "image" || given[ocispecs.AnnotationCreated] != "" {
		return given, nil
	}
	var created time.Time
	for i, e := range entries {
		config, err := e.Image.ConfigFile()
		if err != nil {
			return nil, err
		}
		at := config.Created.Time
		if epoch := b.results[i].Epoch; epoch != nil {
			at = *epoch
		}
		if at.After(created) {
			created = at
		}
	}
	about := map[string]string{ocispecs.AnnotationCreated: created.UTC().Format(time.RFC3339)}
	maps.Copy(about, given)
	return about, nil
}

// record stores the digest of the image and its descriptor d in out.result, under the
// keys that BuildKit's exporters use.
func (out imageOutput) record(d v1.Descriptor) error {
	data, err := json.Marshal(d)
	if err != nil {
		return err
	}
	out.result.Exported[exptypes.ExporterImageDigestKey] = d.Digest.String()
	out.result.Images[out.index] = d
	out.result.Exported[exptypes.ExporterImageDescriptorKey] = base64.StdEncoding.EncodeToString(data)
	return nil
}

// annotations holds annotations for an image, for its index and for their descriptors.
type annotations map[exptypes.AnnotationKey]string

// imageAnnotations returns the annotations for an output. Annotations in the attributes of
// the output take precedence over annotations of the whole build. Annotations in the metadata of
// the frontend's result take precedence over both, as in BuildKit.
func imageAnnotations(o *Options, out Output, metadata map[string][]byte) (annotations, error) {
	all := maps.Clone(o.Annotations)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, out.Attrs)
	for k, v := range metadata {
		all[k] = string(v)
	}
	notes := annotations{}
	for _, attr := range slices.Sorted(maps.Keys(all)) {
		key, ok, err := exptypes.ParseAnnotationKey(attr)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		notes[key] = all[attr]
	}
	return notes, nil
}

// forKind returns the annotations of the given kind, such as manifest, for the platform
// p. Annotations for p take precedence over annotations for all platforms. If p is nil,
// the result contains only annotations for all platforms.
func (a annotations) forKind(kind string, p *ocispecs.Platform) map[string]string {
	general, exact := map[string]string{}, map[string]string{}
	for key, v := range a {
		switch {
		case key.Type != kind:
		case key.Platform == nil:
			general[key.Key] = v
		case p != nil && platforms.OnlyStrict(*key.Platform).Match(*p):
			exact[key.Key] = v
		}
	}
	maps.Copy(general, exact)
	if len(general) == 0 {
		return nil
	}
	return general
}
