package remotecache

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"
	cacheconfig "github.com/moby/buildkit/cache/remotecache/v1/types"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"slipway/solver"
	"slipway/solver/export"
	"slipway/solver/llbsource"
	"slipway/solver/registry"
	"slipway/solver/snapshot"
	"slipway/solver/track"
	"slipway/solver/tree"
)

// Exporter exports caches.
type Exporter struct {
	Store    *tree.Store
	Layers   *export.Layers
	Imports  *Imports // source of results that were not fetched; may be nil
	Registry *registry.Client
	Now      time.Time // creation time of results
}

// Write exports records as a cache. In mode min, only results that consist of layers of
// main, the snapshots of the build result, are part of it.
func (x *Exporter) Write(ctx context.Context, to To, records []solver.ChainRecord, main []*snapshot.Snapshot) error {
	p, err := to.place(ctx, x.Registry)
	if err != nil {
		return err
	}
	w := &writer{x: x, layers: map[string]int{}, blobs: map[digest.Digest]llbsource.RemoteLayer{}}
	if to.Mode == Min {
		w.only = map[string]bool{}
		for _, s := range main {
			for _, l := range s.Layers() {
				w.only[layerID(l)] = true
			}
		}
	}
	if err := w.records(ctx, records); err != nil {
		return err
	}
	if len(w.config.Layers) == 0 {
		track.Start(ctx, "skipping cache export for empty result", 0).Done()
		return nil
	}
	defer track.Start(ctx, "sending cache export", 0).Done()
	return w.write(ctx, p, to)
}

// writer builds the config of a cache.
type writer struct {
	x      *Exporter
	only   map[string]bool // ids of layers that are exported; nil exports all
	config cacheconfig.CacheConfig
	layers map[string]int          // index in config, by digest and parent
	order  []llbsource.RemoteLayer // blobs in order of first use
	blobs  map[digest.Digest]llbsource.RemoteLayer
}

// layerID returns an id that identifies a layer of a snapshot.
func layerID(l snapshot.Layer) string {
	if l.Blob != nil {
		return string(l.Blob.DiffID)
	}
	return string(l.Lower.ID() + l.Upper.ID())
}

// newRecord returns a record without a result.
func newRecord(r solver.ChainRecord) cacheconfig.CacheRecord {
	rec := cacheconfig.CacheRecord{Digest: r.Name}
	for _, links := range r.Inputs {
		var input []cacheconfig.CacheInput
		for _, l := range links {
			input = append(input, cacheconfig.CacheInput{Selector: string(l.Selector), LinkIndex: l.Record})
		}
		rec.Inputs = append(rec.Inputs, input)
	}
	return rec
}

// records adds records to the config, and creates the blobs of their layers.
func (w *writer) records(ctx context.Context, records []solver.ChainRecord) error {
	defer track.Start(ctx, "preparing build cache for export", 0).Done()
	for i, r := range records {
		if err := w.record(ctx, r); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
	}
	return nil
}

func (w *writer) record(ctx context.Context, r solver.ChainRecord) error {
	rec := newRecord(r)
	layers, err := w.result(ctx, r)
	if err != nil {
		return err
	}
	if len(layers) > 0 {
		rec.Results = []cacheconfig.CacheResult{{LayerIndex: w.chain(layers), CreatedAt: w.x.Now}}
	}
	w.config.Records = append(w.config.Records, rec)
	return nil
}

// result returns the layers of a result, or nil if it is not to be exported.
func (w *writer) result(ctx context.Context, r solver.ChainRecord) ([]llbsource.RemoteLayer, error) {
	if r.Imported != "" {
		return w.imported(r.Imported)
	}
	var list []llbsource.RemoteLayer
	for _, l := range r.Result.Layers() {
		if w.only != nil && !w.only[layerID(l)] {
			return nil, nil
		}
	}
	for _, l := range r.Result.Layers() {
		b, err := w.x.Layers.Blob(ctx, l, nil)
		if err != nil {
			return nil, err
		}
		list = append(list, llbsource.RemoteLayer{LayerBlob: *b, Open: func(ctx context.Context) (io.ReadCloser, error) {
			return w.x.Store.OpenContext(ctx, b.StoreBlob())
		}})
	}
	return list, nil
}

// imported returns the layers of an imported result that was not fetched.
func (w *writer) imported(id digest.Digest) ([]llbsource.RemoteLayer, error) {
	res, err := w.x.Imports.find(id)
	if err != nil {
		return nil, err
	}
	layers, err := res.blobs()
	for _, l := range layers {
		if w.only != nil && !w.only[string(l.DiffID)] {
			return nil, nil
		}
	}
	return layers, err
}

// chain adds layers to the config, each with the previous one as its parent, and returns
// the index of the last one.
func (w *writer) chain(layers []llbsource.RemoteLayer) int {
	parent := -1
	for _, l := range layers {
		d := l.Descriptor.Digest
		if _, ok := w.blobs[d]; !ok {
			w.blobs[d] = l
			w.order = append(w.order, l)
		}
		key := fmt.Sprintf("%s %d", d, parent)
		i, ok := w.layers[key]
		if !ok {
			i = len(w.config.Layers)
			w.layers[key] = i
			w.config.Layers = append(w.config.Layers, cacheconfig.CacheLayer{Blob: d, ParentIndex: parent})
		}
		parent = i
	}
	return parent
}

// write writes the blobs, then the config, then the manifest, so that everything that the
// manifest refers to exists.
func (w *writer) write(ctx context.Context, p place, to To) error {
	layers, err := w.writeLayers(ctx, p)
	if err != nil {
		return err
	}
	data, err := json.Marshal(w.config)
	if err != nil {
		return err
	}
	config := ocispecs.Descriptor{MediaType: configType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	t := track.Start(ctx, "writing config "+config.Digest.String(), 0)
	err = p.put(ctx, config, reader(data))
	if t.Done(); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	mediaType, kind := ocispecs.MediaTypeImageManifest, "image manifest"
	var m any = ocispecs.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType, Config: config, Layers: layers,
	}
	if to.Index {
		kind = "manifest"
		if mediaType = ocispecs.MediaTypeImageIndex; to.Docker {
			mediaType = string(types.DockerManifestList)
		}
		m = ocispecs.Index{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType, Manifests: append(layers, config),
		}
	}
	if data, err = json.Marshal(m); err != nil {
		return err
	}
	d := ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	defer track.Start(ctx, "writing cache "+kind+" "+d.Digest.String(), 0).Done()
	return p.name(ctx, d, data)
}

// parallelLayers is the number of layers that are written concurrently.
const parallelLayers = 4

func (w *writer) writeLayers(ctx context.Context, p place) ([]ocispecs.Descriptor, error) {
	layers := make([]ocispecs.Descriptor, len(w.order))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelLayers)
	for i, l := range w.order {
		layers[i] = w.describe(l)
		g.Go(func() error {
			t := track.Start(ctx, "writing layer "+layers[i].Digest.String(), layers[i].Size)
			defer t.Done()
			err := p.put(ctx, layers[i], func() (io.ReadCloser, error) {
				r, err := l.Open(ctx)
				return t.ReadCloser(r), err
			})
			if err != nil {
				return fmt.Errorf("layer %s: %w", layers[i].Digest, err)
			}
			return nil
		})
	}
	return layers, g.Wait()
}

// ociMediaType returns the OCI media type for one of Docker's layer types. Other types
// are returned unchanged.
func ociMediaType(t string) string {
	switch types.MediaType(t) {
	case types.DockerLayer:
		return ocispecs.MediaTypeImageLayerGzip
	case types.DockerUncompressedLayer:
		return ocispecs.MediaTypeImageLayer
	case "application/vnd.docker.image.rootfs.diff.tar.zstd":
		return ocispecs.MediaTypeImageLayerZstd
	}
	return t
}

// describe returns the descriptor of a layer in the manifest. BuildKit needs the diffID.
func (w *writer) describe(l llbsource.RemoteLayer) ocispecs.Descriptor {
	d := l.Descriptor
	d.MediaType = ociMediaType(d.MediaType)
	d.Annotations = map[string]string{"buildkit/createdat": w.x.Now.UTC().Format(time.RFC3339Nano)}
	if l.DiffID != "" {
		d.Annotations[uncompressed] = string(l.DiffID)
	}
	return d
}
