package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"slipway/diag"
	"slipway/solver"
	"slipway/solver/export"
	local "slipway/solver/gateway"
	"slipway/solver/hostmount"
	"slipway/solver/llbsource"
	"slipway/solver/registry"
	"slipway/solver/remotecache"
	"slipway/solver/snapshot"
)

// caches holds the remote caches of a build: those that it imports, and those that it exports.
type caches struct {
	o        *Options
	progress *progress
	to       []remotecache.To
	inline   bool // whether the images of the build get an inline cache
	exporter *remotecache.Exporter
	imports  solver.Imports // nil if the build imports no cache, unless a client requested the build

	cacheMounts *cacheMounts

	in       *inputs
	registry *registry.Client
	mu       sync.Mutex
	opened   []client.CacheOptionsEntry // caches that the build has tried to open
}

// caches converts o.CacheFrom and o.CacheTo to the remote caches that the build imports
// and exports. Invalid types and attributes are errors.
func (o *Options) caches() (from []remotecache.From, to []remotecache.To, err error) {
	for _, e := range o.CacheFrom {
		f, err := remotecache.NewFrom(e.Type, e.Attrs)
		if err != nil {
			return nil, nil, err
		}
		from = append(from, f)
	}
	for _, e := range o.CacheTo {
		t, err := remotecache.NewTo(e.Type, e.Attrs)
		if err != nil {
			return nil, nil, err
		}
		to = append(to, t)
	}
	return from, to, nil
}

// openCaches opens the caches that the build imports, and prepares the export. If a cache
// cannot be read, openCaches logs a warning and the build does not use this cache, as in
// BuildKit.
func (s *localBuilder) openCaches(ctx context.Context, o *Options, in *inputs, src *llbsource.Sources, p *progress) (*caches, error) {
	from, to, err := o.caches()
	if err == nil {
		err = in.openStores(ctx, from, to)
	}
	if err != nil {
		return nil, err
	}
	c := &caches{o: o, progress: p, in: in, registry: s.registry, opened: slices.Clone(o.CacheFrom)}
	for _, t := range to {
		if t.Type == "inline" {
			c.inline = true
			continue
		}
		c.to = append(c.to, t)
	}
	c.exporter = &remotecache.Exporter{Store: s.Store, Layers: s.exporter(o).Layers, Registry: s.registry, Now: o.Now()}
	if len(from) == 0 && in.request == nil {
		return c, nil
	}
	found, err := c.open(ctx, from)
	if err != nil {
		return nil, err
	}
	c.exporter.Imports = remotecache.NewImports(found, src, func(text string) { o.warn("%s", text) })
	c.imports = c.exporter.Imports
	return c, nil
}

// add opens the caches in a request of the frontend, except for those that are open already.
func (c *caches) add(ctx context.Context, entries []gateway.CacheOptionsEntry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []remotecache.From
	for _, e := range entries {
		if slices.ContainsFunc(c.opened, func(o client.CacheOptionsEntry) bool { return o.Type == e.Type && maps.Equal(o.Attrs, e.Attrs) }) {
			continue
		}
		f, err := remotecache.NewFrom(e.Type, e.Attrs)
		if err != nil {
			return err
		}
		c.opened, list = append(c.opened, client.CacheOptionsEntry{Type: e.Type, Attrs: e.Attrs}), append(list, f)
	}
	if err := c.in.openStores(ctx, list, nil); err != nil {
		return err
	}
	found, err := c.open(ctx, list)
	c.exporter.Imports.Add(found)
	return err
}

// open reads the manifests of caches. If one of them cannot be read, it logs a warning, and the build
// does not use this cache.
func (c *caches) open(ctx context.Context, from []remotecache.From) ([]*remotecache.Cache, error) {
	found := make([][]*remotecache.Cache, len(from))
	var g errgroup.Group
	for i, f := range from {
		g.Go(func() error {
			name := "importing cache manifest from " + f.String()
			err := c.progress.step(ctx, name, name, func(ctx context.Context) (err error) {
				found[i], err = remotecache.Open(ctx, f, c.registry)
				return err
			})
			if err != nil {
				c.o.warn("cache %s is not used: %v", f, err)
			}
			return context.Cause(ctx)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// warn logs a warning to o.Log.
func (o *Options) warn(format string, args ...any) {
	fmt.Fprintln(o.log(), diag.Line("warning: "+fmt.Sprintf(format, args...)))
}

// logWriter writes messages to w and replaces control characters, which could manipulate a
// terminal. Safe for concurrent use.
type logWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements [io.Writer].
func (l *logWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := io.WriteString(l.w, diag.Block(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// export writes the cache records of the results to all remote caches, except inline caches.
// In exported, it records the descriptor of a cache that it writes to a store of the client.
func (c *caches) export(ctx context.Context, b *solver.Job, results []*solver.Result, exported map[string]string) error {
	if len(c.to) == 0 {
		return nil
	}
	records, err := b.Chains(ctx, results)
	if err != nil {
		return fmt.Errorf("export cache: %w", err)
	}
	var made []*snapshot.Snapshot
	for _, r := range results {
		s, err := r.Snapshot(ctx)
		if err != nil {
			return err
		}
		made = append(made, s)
	}
	for i, to := range c.to {
		to.Tagged = func(d ocispecs.Descriptor) {
			data, _ := json.Marshal(d) // a descriptor can always be encoded
			exported[cacheManifestKey] = string(data)
		}
		err := c.progress.step(ctx, fmt.Sprintf("cache %d", i), cacheExporterName(to), func(ctx context.Context) error {
			return c.write(ctx, b, to, records, made)
		})
		if err != nil && to.IgnoreError && ctx.Err() == nil {
			c.o.warn("cache %s is not written: %v", to, err)
			err = nil
		}
		if err != nil {
			return fmt.Errorf("export cache to %s: %w", to, err)
		}
	}
	return nil
}

// write writes the cache to: the records and, if it has the attribute mounts, the cache mounts.
func (c *caches) write(ctx context.Context, b *solver.Job, to remotecache.To, records []solver.ChainRecord, made []*snapshot.Snapshot) (err error) {
	if !to.Mounts {
		return c.exporter.Write(ctx, to, records, made, nil)
	}
	tmp, err := hostmount.NewTemp(c.cacheMounts.temp)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tmp.Remove()) }()
	mounts, err := c.list(ctx, b, to, tmp)
	if err != nil {
		return err
	}
	return c.exporter.Write(ctx, to, records, made, mounts)
}

// cacheManifestKey is the key of [Result.Exported] for the descriptor of a cache that was exported
// to a store of the client. The client adds it to the index of the store.
const cacheManifestKey = "cache.manifest"

// cacheExporterName returns the name of the progress step that exports the cache to, which is
// the same as in BuildKit.
func cacheExporterName(to remotecache.To) string {
	if to.Type == "local" {
		return "exporting cache to client directory"
	}
	return "exporting cache to registry"
}

// addInline adds an inline cache to each of the results, if the build exports inline caches.
func (c *caches) addInline(ctx context.Context, b *solver.Job, res *gateway.Result, results []export.PlatformResult) error {
	if !c.inline {
		return nil
	}
	list, err := platformsOf(res)
	if err != nil {
		return err
	}
	for i, p := range list {
		ref, _ := res.FindRef(p.ID)
		r, ok := ref.(*local.Reference)
		if !ok {
			continue
		}
		records, err := b.Chains(ctx, []*solver.Result{r.Result})
		if err != nil {
			return fmt.Errorf("inline cache: %w", err)
		}
		main := results[i].Snapshot
		results[i].Cache = func(layers []*snapshot.LayerBlob) ([]byte, error) {
			data, err := c.exporter.Inline(records, main, layers)
			if err != nil {
				return nil, fmt.Errorf("inline cache: %w", err)
			}
			return data, nil
		}
	}
	return nil
}

// roots returns the solver's results for the references in res, the result of the
// frontend. The results are sorted by platform ID.
func roots(res *gateway.Result) []*solver.Result {
	refs := []gateway.Reference{res.Ref}
	for _, id := range slices.Sorted(maps.Keys(res.Refs)) {
		refs = append(refs, res.Refs[id])
	}
	var list []*solver.Result
	for _, ref := range refs {
		if r, ok := ref.(*local.Reference); ok && r.Result != nil {
			list = append(list, r.Result)
		}
	}
	return list
}
