package remotecache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
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

// Exporter exports build caches to registries and directories, and as inline caches of images.
type Exporter struct {
	Store    *tree.Store      // contains the compressed layers
	Layers   *export.Layers   // compresses layers
	Imports  *Imports         // has the imported results that the build did not fetch; may be nil
	Registry *registry.Client // for exports to registries
	Now      time.Time        // recorded as the creation time of layers without one
}

// Write exports records and cache mounts as a cache in a registry or directory. The parameter main lists
// the snapshots of the build result. In mode [Min], the cache contains only results whose layers all
// belong to these snapshots. If no result has a layer and there are no cache mounts, Write writes nothing.
func (x *Exporter) Write(ctx context.Context, to To, records []solver.ChainRecord, main []*snapshot.Snapshot, mounts []Mount) error {
	w := &writer{
		x: x, compressor: x.compressor(to), types: export.MediaTypes{Docker: to.Docker},
		layers: map[chainLayer]int{}, remote: map[layerKey]llbsource.RemoteLayer{}, blobs: map[digest.Digest]llbsource.RemoteLayer{}, checked: map[digest.Digest]error{},
	}
	if to.Mode == Min {
		w.permitted = map[string]bool{}
		for _, s := range main {
			ids, err := layerIDs(s)
			if err != nil {
				return err
			}
			for _, id := range ids {
				w.permitted[id] = true
			}
		}
	}
	if err := errors.Join(w.records(ctx, records), w.addMounts(ctx, mounts)); err != nil {
		return err
	}
	if len(w.config.Layers) == 0 && len(w.mounts) == 0 {
		track.Start(ctx, "skipping cache export for empty result", 0).Done()
		return nil
	}
	s, err := to.storage(ctx, x.Registry)
	if err != nil {
		return err
	}
	defer track.Start(ctx, "sending cache export", 0).Done()
	dir, ok := s.(*localStorage)
	if !ok {
		return w.write(ctx, s, to)
	}
	release, err := dir.hold(ctx)
	if err != nil {
		return err
	}
	err = w.write(ctx, s, to)
	if release(); err == nil && to.Reset {
		err = dir.reset(ctx)
	}
	return err
}

// writer collects the records and layers of one cache and writes them to a storage.
type writer struct {
	x          *Exporter
	compressor *export.Layers
	types      export.MediaTypes
	permitted  map[string]bool // ids of the layers that results may consist of; nil permits all
	config     cacheconfig.CacheConfig
	layers     map[chainLayer]int // indexes of layers in config
	remote     map[layerKey]llbsource.RemoteLayer
	order      []llbsource.RemoteLayer // the blobs, in order of first use
	mounts     []mountBlob
	blobs      map[digest.Digest]llbsource.RemoteLayer
	checked    map[digest.Digest]error // of imported layers: nil if the layer can be read
}

// compressor returns the compressor for the layers of the cache to.
func (x *Exporter) compressor(to To) *export.Layers {
	return &export.Layers{Store: x.Layers.Store, Dir: x.Layers.Dir, Now: x.Layers.Now, Compression: to.Compression}
}

// chainLayer identifies a layer in the config of a cache.
type chainLayer struct {
	blob   digest.Digest
	parent int // index of the layer below; -1 if it is the lowest
}

// layerKey identifies a layer of a result.
type layerKey struct{ lower, upper, blob digest.Digest }

// remoteLayer returns the layer l in the form that a cache contains: its blob and a function
// that opens the blob. Many results have the same layers, so it creates or looks up the blob
// of each layer once.
func (w *writer) remoteLayer(ctx context.Context, l snapshot.Layer) (llbsource.RemoteLayer, error) {
	key := layerKey{lower: l.Lower.ID(), upper: l.Upper.ID()}
	if l.Blob != nil {
		key.blob = l.Blob.Descriptor.Digest
	}
	if r, ok := w.remote[key]; ok {
		return r, nil
	}
	b, err := w.compressor.Blob(ctx, l, nil)
	if err != nil {
		return llbsource.RemoteLayer{}, err
	}
	r := llbsource.RemoteLayer{LayerBlob: *b, Open: func(ctx context.Context) (io.ReadCloser, error) {
		return w.x.Store.OpenContext(ctx, b.StoreBlob())
	}}
	w.remote[key] = r
	return r, nil
}

// layerID returns an id for comparing layers: layers with equal ids contain the same changes.
// The id of a layer with a blob is its diffID. The id of a layer without a blob combines the
// ids of the file trees before and after the layer is applied.
func layerID(l snapshot.Layer) string {
	if l.Blob != nil {
		return string(l.Blob.DiffID)
	}
	return string(l.Lower.ID() + l.Upper.ID())
}

// newRecord converts a record of the solver to a record of a cache config, but without the
// layers of its result.
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

// records adds records of the solver to the cache config. It creates layer blobs that are
// missing for the results of these records.
func (w *writer) records(ctx context.Context, records []solver.ChainRecord) error {
	defer track.Start(ctx, "preparing build cache for export", 0).Done()
	for i, r := range records {
		if err := w.record(ctx, r); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
	}
	return nil
}

// record adds the record r to the cache config, with the layers of its result if the
// export includes them.
func (w *writer) record(ctx context.Context, r solver.ChainRecord) error {
	rec := newRecord(r)
	layers, err := w.result(ctx, r)
	if err != nil {
		return err
	}
	if len(layers) > 0 {
		created := w.x.createdAt(layers[len(layers)-1].LayerBlob)
		rec.Results = []cacheconfig.CacheResult{{LayerIndex: w.chain(layers), CreatedAt: created}}
	}
	w.config.Records = append(w.config.Records, rec)
	return nil
}

// result returns the layers that a record's result consists of. If the record has no
// result, or if the mode of the export excludes it, result returns no layers.
func (w *writer) result(ctx context.Context, r solver.ChainRecord) ([]llbsource.RemoteLayer, error) {
	if r.Imported != "" {
		return w.imported(ctx, r.Imported)
	}
	layers, err := r.Result.Layers()
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		if w.permitted != nil && !w.permitted[layerID(l)] {
			return nil, nil
		}
	}
	return w.remoteLayers(ctx, layers)
}

// remoteLayers returns the layers in the form that a cache contains.
func (w *writer) remoteLayers(ctx context.Context, layers []snapshot.Layer) ([]llbsource.RemoteLayer, error) {
	var list []llbsource.RemoteLayer
	for _, l := range layers {
		r, err := w.remoteLayer(ctx, l)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// imported returns the layers of the result with the given id, which comes from an imported
// cache and was not fetched by the build. If the mode of the export excludes the result,
// imported returns no layers. It fetches layers that need another compression.
func (w *writer) imported(ctx context.Context, id digest.Digest) ([]llbsource.RemoteLayer, error) {
	res, err := w.x.Imports.find(id)
	if err != nil {
		return nil, err
	}
	layers, err := res.blobs()
	for _, l := range layers {
		if w.permitted != nil && !w.permitted[string(l.DiffID)] {
			return nil, nil
		}
	}
	if err == nil && !w.complete(ctx, res, layers) {
		return nil, ctx.Err()
	}
	if err != nil || !slices.ContainsFunc(layers, func(l llbsource.RemoteLayer) bool {
		return w.compressor.Compression.Converts(l.Descriptor.MediaType)
	}) {
		return layers, err
	}
	s, err := w.x.Imports.Load(ctx, id)
	if err != nil {
		return nil, err
	}
	fetched, err := s.Layers()
	if err != nil {
		return nil, err
	}
	return w.remoteLayers(ctx, fetched)
}

// complete reports whether the cache of an imported result still has all its layers. If it has lost
// one, complete warns about the results that are left out.
func (w *writer) complete(ctx context.Context, res layerChain, layers []llbsource.RemoteLayer) bool {
	for _, l := range layers {
		d := l.Descriptor.Digest
		err, checked := w.checked[d]
		if !checked {
			r, openErr := l.Open(ctx)
			if err = openErr; err == nil {
				err = r.Close()
			}
			w.checked[d] = err
		}
		if err != nil {
			w.x.Imports.warnOnce(fmt.Sprintf("cache %s: layer %s: %v (results that need it are not exported)", res.cache.from, d, err))
			return false
		}
	}
	return true
}

// chain adds the layers of a result to the cache config and returns the index of the last
// layer. The parent of each layer is the preceding layer.
func (w *writer) chain(layers []llbsource.RemoteLayer) int {
	parent := -1
	for _, l := range layers {
		d := l.Descriptor.Digest
		if _, ok := w.blobs[d]; !ok {
			w.blobs[d] = l
			w.order = append(w.order, l)
		}
		key := chainLayer{d, parent}
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

// write writes the collected cache to the storage s: first the layers, then the config
// and finally the manifest. A manifest therefore never refers to a missing blob.
func (w *writer) write(ctx context.Context, s storage, to To) error {
	layers, err := w.writeLayers(ctx, s)
	if err != nil {
		return err
	}
	data, err := json.Marshal(w.config)
	if err != nil {
		return err
	}
	config := ocispecs.Descriptor{MediaType: configType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	t := track.Start(ctx, "writing config "+config.Digest.String(), 0)
	err = s.put(ctx, config, reader(data))
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
	return s.tag(ctx, d, data)
}

// parallelLayers is the maximum number of layers that an export writes concurrently.
const parallelLayers = 4

// writeLayers writes the blobs of all layers and cache mounts and returns their descriptors.
func (w *writer) writeLayers(ctx context.Context, s storage) ([]ocispecs.Descriptor, error) {
	descriptors := make([]ocispecs.Descriptor, 0, len(w.order)+len(w.mounts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelLayers)
	for _, l := range w.order {
		d := w.describe(l)
		descriptors = append(descriptors, d)
		g.Go(func() error { return writeLayer(ctx, s, d, l) })
	}
	for _, m := range w.mounts {
		d := w.describeMount(m)
		descriptors = append(descriptors, d)
		g.Go(func() error { return writeLayer(ctx, s, d, m.RemoteLayer) })
	}
	return descriptors, g.Wait()
}

// writeLayer writes the blob of a layer with the descriptor d.
func writeLayer(ctx context.Context, s storage, d ocispecs.Descriptor, l llbsource.RemoteLayer) error {
	t := track.Start(ctx, "writing layer "+d.Digest.String(), d.Size)
	defer t.Done()
	err := s.put(ctx, d, func() (io.ReadCloser, error) {
		r, err := l.Open(ctx)
		return t.ReadCloser(r), err
	})
	if err != nil {
		return fmt.Errorf("layer %s: %w", d.Digest, err)
	}
	return nil
}

// createdAt returns the creation time of a layer or, if it is unknown, the time of the export.
func (x *Exporter) createdAt(l snapshot.LayerBlob) time.Time {
	if l.Created.IsZero() {
		return x.Now.UTC()
	}
	return l.Created.UTC()
}

// describe returns the descriptor of a layer for the manifest of the cache. An annotation
// contains the diffID, which BuildKit needs to import the layer.
func (w *writer) describe(l llbsource.RemoteLayer) ocispecs.Descriptor {
	d := l.Descriptor
	d.MediaType = w.types.Layer(d.MediaType)
	d.Annotations = map[string]string{createdAt: w.x.createdAt(l.LayerBlob).Format(time.RFC3339Nano)}
	if l.DiffID != "" {
		d.Annotations[uncompressed] = string(l.DiffID)
	}
	return d
}
