package remotecache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	cacheconfig "github.com/moby/buildkit/cache/remotecache/v1/types"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver"
	"slipway/solver/llbsource"
	"slipway/solver/registry"
	"slipway/solver/snapshot"
)

const (
	configType = cacheconfig.CacheConfigMediaTypeV0
	// uncompressed is the name of the annotation that contains the diffID of a layer.
	uncompressed = "containerd.io/uncompressed"
	// createdAt is the name of the annotation that contains the creation time of a layer.
	createdAt = "buildkit/createdat"
)

// Imports implements [solver.Imports] with caches that [Open] returned. Safe for concurrent
// use.
type Imports struct {
	sources *llbsource.Sources
	warn    func(string)

	mu       sync.Mutex
	caches   []*Cache
	results  map[digest.Digest]layerChain // results that Result returned, by id
	warnings map[string]bool              // texts passed to warn
}

var _ solver.Imports = (*Imports)(nil)

// Cache is a cache to import. Its layers are read when a build needs them.
type Cache struct {
	from    string // name or directory, for messages
	storage storage
	config  *cacheconfig.CacheConfig
	layers  map[digest.Digest]ocispecs.Descriptor // layers of the manifest by digest
	records map[digest.Digest][]int               // indexes of records by digest

	mounts     map[string]ocispecs.Descriptor // cache mounts by name
	mountLimit int64                          // maximum size of the files of a cache mount in bytes

	complete []bool // by layer: whether the manifest lists it and all of its parents
}

// layerChain is the result of a record in an imported cache: a list of layers, lowest
// first.
type layerChain struct {
	cache   *Cache
	layers  []ocispecs.Descriptor
	created time.Time
	chained bool // whether the record lists all layers instead of only the top one
}

// NewImports returns [Imports] that search the given caches. The parameter s unpacks layers.
// The function warn is called with an error text if a result cannot be fetched, once for each
// text.
func NewImports(caches []*Cache, s *llbsource.Sources, warn func(string)) *Imports {
	return &Imports{caches: caches, sources: s, warn: warn, results: map[digest.Digest]layerChain{}, warnings: map[string]bool{}}
}

// Open reads the manifest and the config of the cache that f identifies, but no layers.
// If f refers to an image or an index of images, Open returns the inline cache of each
// image that has one.
func Open(ctx context.Context, f From, c *registry.Client) ([]*Cache, error) {
	s, err := f.storage(ctx, c)
	if err != nil {
		return nil, err
	}
	data, err := s.manifest(ctx, "")
	if err != nil {
		return nil, err
	}
	desc, layers, mounts, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	if desc.Digest == "" {
		return openInline(ctx, s, f.String(), data)
	}
	if data, err = readBlob(ctx, s, desc); err != nil {
		return nil, err
	}
	config, err := decodeConfig(data)
	if err != nil {
		return nil, err
	}
	cache := newCache(s, f.String(), config, layers)
	if !f.NoMounts {
		cache.mounts, cache.mountLimit = mounts, cmp.Or(f.MountLimit, DefaultMountLimit)
	}
	return []*Cache{cache}, nil
}

// newCache returns a cache for [Imports] from its config and from the layers that its manifest
// lists, by digest. The parameter from is the name of the cache in messages.
func newCache(s storage, from string, config *cacheconfig.CacheConfig, layers map[digest.Digest]ocispecs.Descriptor) *Cache {
	c := &Cache{from: from, storage: s, config: config, layers: layers, records: map[digest.Digest][]int{}}
	for i, r := range config.Records {
		c.records[r.Digest] = append(c.records[r.Digest], i)
	}
	c.complete = c.completeLayers()
	return c
}

// Add adds caches to those that are searched. Vertices that are being looked up may miss them.
func (m *Imports) Add(caches []*Cache) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.caches = append(m.caches, caches...)
}

// list returns the caches that are searched.
func (m *Imports) list() []*Cache {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.caches
}

// Empty implements [solver.Imports].
func (m *Imports) Empty() bool { return len(m.list()) == 0 }

// Find implements [solver.Imports].
func (m *Imports) Find(name digest.Digest, inputs [][]solver.Link) []solver.Record {
	var records []solver.Record
	for n, c := range m.list() {
		for _, i := range c.records[name] {
			if linked(n, c.config.Records[i].Inputs, inputs) {
				records = append(records, solver.Record{Cache: n, Index: i})
			}
		}
	}
	return records
}

// linked reports whether each input of a cached record matches. The parameter have contains
// the links of the cached record, one list per input, and want contains the acceptable links,
// also one list per input. An input matches if its two lists contain links with the same
// selector to the same record. The parameter n is the index of the cache.
func linked(n int, have [][]cacheconfig.CacheInput, want [][]solver.Link) bool {
	return slices.EqualFunc(have, want, func(have []cacheconfig.CacheInput, want []solver.Link) bool {
		return slices.ContainsFunc(have, func(h cacheconfig.CacheInput) bool {
			return slices.ContainsFunc(want, func(w solver.Link) bool {
				return h.Selector == string(w.Selector) && slices.Contains(w.Records, solver.Record{Cache: n, Index: h.LinkIndex})
			})
		})
	})
}

// Result implements [solver.Imports]. It ignores results with missing layers. If several
// results have the same creation time, it returns the first of them.
func (m *Imports) Result(records []solver.Record) digest.Digest {
	var best layerChain
	var layers []int
	caches := m.list()
	for _, r := range records {
		c := caches[r.Cache]
		rec := c.config.Records[r.Index]
		for _, res := range rec.Results {
			if c.complete[res.LayerIndex] && best.older(res.CreatedAt) {
				best, layers = layerChain{cache: c, created: res.CreatedAt}, []int{res.LayerIndex}
			}
		}
		for _, res := range rec.ChainedResults {
			if c.has(res.LayerIndexes) && best.older(res.CreatedAt) {
				best, layers = layerChain{cache: c, created: res.CreatedAt, chained: true}, res.LayerIndexes
			}
		}
	}
	if best.cache == nil {
		return ""
	}
	best.resolve(layers)
	id := best.id()
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.results[id]; !ok {
		m.results[id] = best
	}
	return id
}

// Contents implements [solver.Imports].
func (m *Imports) Contents(records []solver.Record, input int) []digest.Digest {
	var list []digest.Digest
	caches := m.list()
	for _, r := range records {
		config := caches[r.Cache].config
		for _, l := range config.Records[r.Index].Inputs[input] {
			to := config.Records[l.LinkIndex]
			if l.Selector == "" && len(to.Inputs) == 0 && len(to.Results) == 0 && !slices.Contains(list, to.Digest) {
				list = append(list, to.Digest)
			}
		}
	}
	return list
}

// completeLayers reports, for each layer in the cache config, whether the manifest of the
// cache lists this layer and all layers below it. Element i of the result belongs to the layer
// with index i.
func (c *Cache) completeLayers() []bool {
	const present, missing = 1, 2
	state := make([]uint8, len(c.config.Layers))
	var path []int
	for i := range state {
		path = path[:0]
		parents := uint8(present)
		for at := i; at >= 0; at = c.config.Layers[at].ParentIndex {
			if state[at] != 0 {
				parents = state[at]
				break
			}
			path = append(path, at)
		}
		for _, at := range slices.Backward(path) {
			if _, ok := c.layers[c.config.Layers[at].Blob]; !ok {
				parents = missing
			}
			state[at] = parents
		}
	}
	complete := make([]bool, len(state))
	for i, s := range state {
		complete[i] = s == present
	}
	return complete
}

// has reports whether the manifest of the cache lists all of the given layers, which are
// indexes in the cache config. If no layers are given, it returns false.
func (c *Cache) has(layers []int) bool {
	for _, i := range layers {
		if _, ok := c.layers[c.config.Layers[i].Blob]; !ok {
			return false
		}
	}
	return len(layers) > 0
}

// older reports whether r is the zero value or was created before the time t. It is used
// to find the newest result.
func (r layerChain) older(t time.Time) bool { return r.cache == nil || t.After(r.created) }

// resolve sets r.layers to the descriptors of all layers of the result. The parameter layers
// contains indexes of layers in the cache config. If r.chained is set, it contains all layers
// of the result. If r.chained is not set, it contains only the top layer, and resolve adds the
// layers below it.
func (r *layerChain) resolve(layers []int) {
	all := r.cache.config.Layers
	if !r.chained {
		for i := all[layers[0]].ParentIndex; i >= 0; i = all[i].ParentIndex {
			layers = append(layers, i)
		}
		slices.Reverse(layers)
	}
	for _, i := range layers {
		r.layers = append(r.layers, r.cache.layers[all[i].Blob])
	}
}

// id returns the solver's id of the result, which is a digest of the result's list of
// layers.
func (r layerChain) id() digest.Digest {
	var b strings.Builder
	for _, l := range r.layers {
		b.WriteString(string(l.Digest) + "\n")
	}
	return digest.FromString(b.String())
}

// blobs returns the layers of the result r. The Open function of each layer reads it from
// the storage of the cache. If the diffID in a layer's annotations is invalid, blobs
// returns an error.
func (r layerChain) blobs() ([]llbsource.RemoteLayer, error) {
	list := make([]llbsource.RemoteLayer, len(r.layers))
	for i, d := range r.layers {
		diffID := digest.Digest(d.Annotations[uncompressed])
		if diffID != "" {
			if err := diffID.Validate(); err != nil {
				return nil, fmt.Errorf("layer %s: %w", d.Digest, err)
			}
		}
		created, err := time.Parse(time.RFC3339Nano, d.Annotations[createdAt])
		if err != nil {
			created = r.created // the time of the result
		}
		d.Annotations = nil
		list[i] = llbsource.RemoteLayer{
			LayerBlob: snapshot.LayerBlob{Descriptor: d, DiffID: diffID, Created: created.UTC()},
			Open:      func(ctx context.Context) (io.ReadCloser, error) { return r.cache.storage.open(ctx, d) },
		}
	}
	return list, nil
}

// find returns the layers of the result with the given id, which [Imports.Result]
// returned. If the id is unknown, find returns an error.
func (m *Imports) find(id digest.Digest) (layerChain, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.results[id]
	if !ok {
		return r, errors.New("no such result")
	}
	return r, nil
}

// Load implements [solver.Imports].
func (m *Imports) Load(ctx context.Context, id digest.Digest) (*snapshot.Snapshot, error) {
	r, err := m.find(id)
	if err != nil {
		return nil, err
	}
	layers, err := r.blobs()
	if err != nil {
		return nil, err
	}
	s, err := m.sources.Unpack(ctx, solver.Origin{Name: "layer of cache " + r.cache.from, Source: "cache://" + r.cache.from}, layers)
	if err != nil {
		return nil, fmt.Errorf("cache %s: %w", r.cache.from, err)
	}
	return s, nil
}

// Failed implements [solver.Imports]. It warns only once about each error, because a layer
// that cannot be read may be part of many results.
func (m *Imports) Failed(_ *solver.Vertex, err error) {
	m.warnOnce(err.Error() + " (steps that need it run again)")
}

// warnOnce warns unless the same text was a warning before.
func (m *Imports) warnOnce(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.warnings[text] {
		m.warnings[text] = true
		m.warn(text)
	}
}
