package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"slipway/solver/snapshot"

	"github.com/moby/buildkit/util/system"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// CacheField is the field of an image config that holds the inline cache, as in BuildKit.
const CacheField = "moby.buildkit.cache.v0"

// config returns the image config for a result: the frontend's config plus the layers,
// the history times and the creation time. Unknown fields are preserved.
func (x *Exporter) config(r PlatformResult, blobs []*snapshot.LayerBlob) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	config := r.Config
	if len(config) == 0 {
		var err error
		if config, err = defaultConfig(r.Platform); err != nil {
			return nil, err
		}
	}
	if err := json.Unmarshal(config, &fields); err != nil {
		return nil, fmt.Errorf("image config: %w", err)
	}
	if fields == nil {
		return nil, errors.New("invalid null image config for export") // worded as in BuildKit
	}
	var history []ocispecs.History
	if h, ok := fields["history"]; ok {
		if err := json.Unmarshal(h, &history); err != nil {
			return nil, fmt.Errorf("image config: history: %w", err)
		}
	}
	var diffIDs []digest.Digest
	for _, b := range blobs {
		diffIDs = append(diffIDs, b.DiffID)
	}
	history, created := x.fillTimes(alignHistory(history, len(blobs)), blobs)
	if r.Epoch != nil {
		base, err := r.base()
		if err != nil {
			return nil, err
		}
		created = clamp(history, base.History, created, *r.Epoch)
	}
	values := map[string]any{
		"history": history,
		"rootfs":  ocispecs.RootFS{Type: "layers", DiffIDs: diffIDs},
		"created": created,
	}
	if r.Cache != nil {
		data, err := r.Cache(blobs)
		if err != nil {
			return nil, err
		}
		if data != nil {
			values[CacheField] = data
		}
	}
	for key, v := range values {
		data, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		fields[key] = data
	}
	return json.Marshal(fields)
}

// defaultConfig returns the image config for a result whose frontend sets none.
func defaultConfig(p ocispecs.Platform) ([]byte, error) {
	img := ocispecs.Image{Platform: p}
	img.Config.WorkingDir = "/"
	if p.OS != "windows" {
		img.Config.Env = []string{"PATH=" + system.DefaultPathEnv(p.OS)}
	}
	return json.Marshal(img)
}

// alignHistory adapts an image's history to the number of layers. Exactly one history
// entry per layer remains, plus the entries marked as having no layer. It marks surplus
// entries as having no layer, and appends an entry for each layer that lacks one.
func alignHistory(history []ocispecs.History, layers int) []ocispecs.History {
	n := 0
	for i := range history {
		if history[i].EmptyLayer {
			continue
		}
		if n++; n > layers {
			history[i].EmptyLayer = true
		}
	}
	for ; n < layers; n++ {
		history = append(history, ocispecs.History{Comment: "buildkit.exporter.image.v0"})
	}
	return history
}

// fillTimes sets the time of history entries that have none. It also returns the creation
// time of the image. A cached layer keeps its time, so a rebuild from the cache gives the
// same image.
//
// An entry with a layer gets the time of the layer. An entry without a layer gets the
// time of the preceding entry, or of the first new layer if the preceding entry belongs
// to the base image.
func (x *Exporter) fillTimes(history []ocispecs.History, blobs []*snapshot.LayerBlob) ([]ocispecs.History, time.Time) {
	var last *time.Time
	isNew := false // whether the current entry follows the entries of the base image
	fill := x.newLayerTime(history, blobs)
	layer := 0
	for i := range history {
		h := &history[i]
		made := h.Created
		if !h.EmptyLayer {
			if made == nil && !blobs[layer].Created.IsZero() {
				made = &blobs[layer].Created
			}
			layer++
		}
		isNew = isNew || h.Created == nil
		switch {
		case made == nil:
			made = fill
		case isNew:
			fill = made
		}
		h.Created, last = made, made
	}
	if last != nil {
		return history, last.UTC()
	}
	return history, x.Now.UTC()
}

// clamp replaces each time in history that is later than epoch by epoch. It skips the
// leading entries that history has in common with base, the history of the base image. It
// returns the time of the last entry, which is the creation time of the image. If history
// is empty, it returns created or epoch, whichever is earlier.
func clamp(history, base []ocispecs.History, created, epoch time.Time) time.Time {
	same := 0
	for same < min(len(history), len(base)) && reflect.DeepEqual(history[same], base[same]) {
		same++
	}
	for i := same; i < len(history); i++ {
		if h := &history[i]; h.Created.After(epoch) {
			h.Created = &epoch
		}
	}
	switch {
	case len(history) > 0:
		return history[len(history)-1].Created.UTC()
	case created.After(epoch):
		return epoch.UTC()
	}
	return created
}

// base returns the parsed config of the base image. If the result has no base image, the
// config is empty.
func (r PlatformResult) base() (ocispecs.Image, error) {
	var img ocispecs.Image
	if len(r.Base) == 0 {
		return img, nil
	}
	if err := json.Unmarshal(r.Base, &img); err != nil {
		return img, fmt.Errorf("config of the base image: %w", err)
	}
	return img, nil
}

// newLayerTime returns the creation time of the first layer whose history entry has no
// time. If there is no such layer, it returns the last time in the history. If the
// history has no times either, it returns the exporter's field Now.
func (x *Exporter) newLayerTime(history []ocispecs.History, blobs []*snapshot.LayerBlob) *time.Time {
	now := x.Now.UTC()
	fill := &now
	layer := 0
	for _, h := range history {
		if h.Created != nil {
			fill = h.Created
		}
		if h.EmptyLayer {
			continue
		}
		if t := blobs[layer].Created; h.Created == nil && !t.IsZero() {
			return &t
		}
		layer++
	}
	return fill
}
