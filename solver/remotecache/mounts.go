package remotecache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/decompress"
	"slipway/solver/export"
	"slipway/solver/llbsource"
	"slipway/solver/snapshot"
	"slipway/solver/track"
	"slipway/solver/tree"
)

// A cache may contain cache mounts. Each is an archive that the manifest lists after the layers, with the
// two annotations below. It has the media type of a layer, because registries accept layers. No record
// refers to it, so that BuildKit never reads it. The entry mountRoot of the archive is the directory of the
// cache mount; it has the metadata that an archive cannot store for its own root.
const (
	mountID   = "slipway/cachemount.id"   // as in --mount=type=cache,id=ID
	mountName = "slipway/cachemount.name" // see [solver.Mounts]
	mountRoot = "data"
)

// DefaultMountLimit is the default of [To].MountLimit and [From].MountLimit.
const DefaultMountLimit = 2_000_000_000

// Mount is a cache mount to export: either Root with Store, or a cache mount of an imported cache.
type Mount struct {
	ID, Name string
	Root     *tree.Node  // the files; nil if they come from an imported cache
	Store    *tree.Store // contains the contents of the files, and receives the archive
	Dir      string      // receives a record about the archive

	imported *importedMount
}

// importedMount is a cache mount in an imported cache.
type importedMount struct {
	cache *Cache
	desc  ocispecs.Descriptor
}

// mountBlob is the archive of a cache mount to export.
type mountBlob struct {
	llbsource.RemoteLayer
	id, name string
}

// isName reports whether s can be the name of a cache mount.
func isName(s string) bool {
	return len(s) == 32 && !slices.ContainsFunc([]byte(s), func(c byte) bool { return (c < '0' || c > '9') && (c < 'a' || c > 'f') })
}

// addMounts adds the archives of cache mounts to the cache. It creates the archives of mounts that do not
// come from an imported cache.
func (w *writer) addMounts(ctx context.Context, mounts []Mount) error {
	for _, m := range mounts {
		l, err := w.mountLayer(ctx, m)
		if err != nil {
			return fmt.Errorf("cache mount %s: %w", m.ID, err)
		}
		if l != nil {
			w.mounts = append(w.mounts, mountBlob{*l, m.ID, m.Name})
		}
	}
	return nil
}

// mountLayer returns the archive of a cache mount. If it comes from an imported cache that has lost it,
// mountLayer warns and returns nil.
func (w *writer) mountLayer(ctx context.Context, m Mount) (*llbsource.RemoteLayer, error) {
	if m.imported != nil {
		layers, err := layerChain{cache: m.imported.cache, layers: []ocispecs.Descriptor{m.imported.desc}}.blobs()
		if err != nil {
			return nil, err
		}
		r, err := layers[0].Open(ctx)
		if err == nil {
			err = r.Close()
		}
		if err != nil {
			w.x.Imports.warnOnce(fmt.Sprintf("cache %s: cache mount %s: %v (it is not exported)", m.imported.cache.from, m.ID, err))
			return nil, ctx.Err()
		}
		return &layers[0], nil
	}
	defer track.Start(ctx, "archiving cache mount "+m.ID, 0).Done()
	top, err := tree.NewDir(tree.Meta{Mode: 0o755}, []tree.Entry{{Name: mountRoot, Node: m.Root}})
	if err != nil {
		return nil, err
	}
	x := &export.Layers{Store: m.Store, Dir: m.Dir, Now: w.x.Now, Compression: w.compressor.Compression}
	b, err := x.Blob(ctx, snapshot.Layer{LayerRef: tree.Layer{Lower: tree.Empty(), Upper: top}.Ref()}, nil)
	if err != nil {
		return nil, err
	}
	return &llbsource.RemoteLayer{LayerBlob: *b, Open: func(ctx context.Context) (io.ReadCloser, error) {
		return m.Store.OpenContext(ctx, b.StoreBlob())
	}}, nil
}

// describeMount returns the descriptor of a cache mount for the manifest of the cache. Unlike a layer, it
// has no creation time, so that an unchanged cache mount has the same descriptor again.
func (w *writer) describeMount(m mountBlob) ocispecs.Descriptor {
	d := m.Descriptor
	d.MediaType = w.types.Layer(d.MediaType)
	d.Annotations = map[string]string{mountID: m.id, mountName: m.name}
	if m.DiffID != "" { // a layer of the cache may be the same blob
		d.Annotations[uncompressed] = string(m.DiffID)
	}
	return d
}

// Mount returns the cache mount with a name from the first imported cache that has it.
func (m *Imports) Mount(name string) (Mount, bool) {
	for _, c := range m.list() {
		if d, ok := c.mounts[name]; ok {
			return Mount{ID: d.Annotations[mountID], Name: name, imported: &importedMount{c, d}}, true
		}
	}
	return Mount{}, false
}

// RestoreMount returns the files of the cache mount with a name, and stores their contents in s. If no
// cache has the cache mount, it returns nil. If it cannot be read, RestoreMount warns and returns nil.
func (m *Imports) RestoreMount(ctx context.Context, name string, s *tree.Store) (*tree.Node, error) {
	found, ok := m.Mount(name)
	if !ok {
		return nil, nil
	}
	n, err := found.imported.read(ctx, found.ID, s)
	if err == nil {
		return n, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.warnOnce(fmt.Sprintf("cache %s: cache mount %s: %v (it starts without these files)", found.imported.cache.from, found.ID, err))
	return nil, nil
}

// read reads the files of a cache mount. It verifies the digest of the archive.
func (i *importedMount) read(ctx context.Context, id string, s *tree.Store) (*tree.Node, error) {
	t := track.Start(ctx, "restoring cache mount "+id, i.desc.Size)
	defer t.Done()
	if i.desc.Size > i.cache.mountLimit {
		return nil, errMountSize(i.cache.mountLimit)
	}
	r, err := i.cache.storage.open(ctx, i.desc)
	if err != nil {
		return nil, err
	}
	v := i.desc.Digest.Verifier()
	counted := &countingReader{r: io.TeeReader(t.Reader(io.LimitReader(r, i.desc.Size+1)), v)}
	top, err := readMountArchive(tree.Reader(ctx, counted), s, tree.ReadOptions{
		Plain: true, Origin: "cache mount " + i.desc.Digest.String(), Limits: tree.Limits{Bytes: i.cache.mountLimit},
	})
	if err == nil && (counted.n != i.desc.Size || !v.Verified()) {
		err = fmt.Errorf("%s is damaged", i.desc.Digest)
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	return mountDir(top)
}

// readMountArchive reads the archive of a cache mount to the end of r.
func readMountArchive(r io.Reader, s *tree.Store, opt tree.ReadOptions) (*tree.Node, error) {
	data, err := decompress.NewReader(r)
	if err != nil {
		return nil, err
	}
	n, err := tree.ReadLayer(tree.Empty(), data, s, opt)
	if err = errors.Join(err, data.Close()); err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, r)
	return n, err
}

// mountDir returns the directory of a cache mount in its archive.
func mountDir(top *tree.Node) (*tree.Node, error) {
	n, err := top.Child(mountRoot)
	if err == nil && (n == nil || n.Kind() != tree.Dir) {
		err = fmt.Errorf("the archive has no directory %q", mountRoot)
	}
	return n, err
}

// countingReader counts the bytes that are read from r.
type countingReader struct {
	r io.Reader
	n int64
}

// Read implements [io.Reader].
func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// errMountSize returns the error for a cache mount that is larger than the limit.
func errMountSize(limit int64) error {
	return fmt.Errorf("has more than %d bytes (set mount-limit=SIZE of the cache)", limit)
}
