package export

import (
	"encoding/json"
	"fmt"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/layersize"
)

// MeasuredLayer describes the size of a layer.
type MeasuredLayer struct {
	CreatedBy string               // from the history of the image
	Base      bool                 // whether the layer comes from the base image
	Blob      *ocispecs.Descriptor // nil if the layer has no blob yet
	Size      *layersize.Size      // size of the files; nil if Base is true
}

// Measure describes the layers of the image for a result, lowest first. It creates no blobs. The files
// of layers of the base image are not read.
func (x *Exporter) Measure(r PlatformResult) ([]MeasuredLayer, error) {
	layers, err := r.Snapshot.Layers()
	if err != nil {
		return nil, err
	}
	base, err := r.base()
	if err != nil {
		return nil, err
	}
	var img ocispecs.Image
	if len(r.Config) > 0 {
		if err := json.Unmarshal(r.Config, &img); err != nil {
			return nil, fmt.Errorf("image config: %w", err)
		}
	}
	list := make([]MeasuredLayer, len(layers))
	n := 0
	for _, h := range alignHistory(img.History, len(layers)) {
		if !h.EmptyLayer {
			list[n].CreatedBy = h.CreatedBy
			n++
		}
	}
	ofBase := base.RootFS.DiffIDs
	for i, l := range layers {
		if b := x.Layers.existing(l); b != nil {
			list[i].Blob = &b.Descriptor
		}
		if i < len(ofBase) && l.Blob != nil && l.Blob.DiffID == ofBase[i] {
			list[i].Base = true
			continue
		}
		ofBase = nil // the layers above this one do not come from the base either
		trees, err := l.Load()
		if err != nil {
			return nil, err
		}
		if list[i].Size, err = layersize.Of(trees); err != nil {
			return nil, err
		}
	}
	return list, nil
}
