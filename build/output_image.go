package build

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/containerd/platforms"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/export"
)

// makeImage makes an image, or an index of several.
func makeImage(ctx context.Context, x *export.Exporter, o *Options, out imageOutput, results []export.Result) (partial.Describable, error) {
	notes, err := imageAnnotations(o, out.Output)
	if err != nil {
		return nil, err
	}
	var entries []export.IndexEntry
	for _, r := range results {
		r.Annotations = notes.of(exptypes.AnnotationManifest, &r.Platform)
		img, err := x.Image(ctx, r)
		if err != nil {
			return nil, err
		}
		entries = append(entries, export.IndexEntry{
			Image: img, Platform: r.Platform, Annotations: notes.of(exptypes.AnnotationManifestDescriptor, &r.Platform),
		})
	}
	index := notes.of(exptypes.AnnotationIndex, nil)
	if len(entries) == 1 {
		if len(index)+len(entries[0].Annotations) > 0 {
			return nil, fmt.Errorf("annotations of %s and %s need several platforms", exptypes.AnnotationIndex, exptypes.AnnotationManifestDescriptor)
		}
		config, err := entries[0].Image.ConfigName()
		if err != nil {
			return nil, err
		}
		out.exported[exptypes.ExporterImageConfigDigestKey] = config.String()
		return entries[0].Image, out.describe(entries[0].Image)
	}
	what, err := export.Index(entries, index)
	if err != nil {
		return nil, err
	}
	return what, out.describe(what)
}

// describe tells the digest and the descriptor as BuildKit's exporters do.
func (out imageOutput) describe(what partial.Describable) error {
	d, err := partial.Descriptor(what)
	if err != nil {
		return err
	}
	d.ArtifactType = "" // it is no artifact
	data, err := json.Marshal(d)
	if err != nil {
		return err
	}
	out.exported[exptypes.ExporterImageDigestKey] = d.Digest.String()
	out.exported[exptypes.ExporterImageDescriptorKey] = base64.StdEncoding.EncodeToString(data)
	return nil
}

// annotations are those of an image and what belongs to it.
type annotations map[exptypes.AnnotationKey]string

// imageAnnotations returns the annotations of the build and of the output.
func imageAnnotations(o *Options, out Output) (annotations, error) {
	all := maps.Clone(o.Annotations)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, out.Attrs)
	notes := annotations{}
	for _, attr := range slices.Sorted(maps.Keys(all)) {
		key, ok, err := exptypes.ParseAnnotationKey(attr)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if key.Type == exptypes.AnnotationIndexDescriptor {
			return nil, fmt.Errorf("annotations of %s can only be had of a BuildKit: --builder", key.Type)
		}
		notes[key] = all[attr]
	}
	return notes, nil
}

// of returns the annotations of a kind and a platform. What is said of one
// platform wins over what is said of all.
func (a annotations) of(kind string, p *ocispecs.Platform) map[string]string {
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
