package llbsource

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver"
	"slipway/solver/snapshot"
	"slipway/solver/track"
	"slipway/solver/tree"
)

// limitLayers returns a source with only the lowest layers of the image i, as many as the attribute
// value says. If value is "", the source has all layers. If err is not nil, limitLayers returns err.
func limitLayers(i *Image, err error, value string) (solver.Source, error) {
	if err != nil {
		return nil, err
	}
	if value == "" {
		return i, nil
	}
	limited := *i
	if limited.limit, err = strconv.Atoi(value); err != nil || limited.limit <= 0 {
		return nil, fmt.Errorf("image %s: invalid layer limit %q", i.name, value)
	}
	if n := len(i.layers); limited.limit > n {
		return nil, fmt.Errorf("image %s: layer limit %s is greater than the number of layers in the image %d", i.name, value, n)
	}
	return &limited, nil
}

// Fetch implements [solver.Source]. It skips layers that were fetched for another image.
func (i *Image) Fetch(ctx context.Context) (*snapshot.Snapshot, error) {
	s, err := i.fetch(ctx)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", i.name, err)
	}
	return s, nil
}

func (i *Image) fetch(ctx context.Context) (*snapshot.Snapshot, error) {
	var config ocispecs.Image
	if err := json.Unmarshal(i.config, &config); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	ids := config.RootFS.DiffIDs
	if len(i.layers) != len(ids) {
		return nil, fmt.Errorf("has %d layers, its config lists %d", len(i.layers), len(ids))
	}
	for n, id := range ids {
		if err := id.Validate(); err != nil {
			return nil, fmt.Errorf("config: diff_ids: layer %d: %q: %w", n, id, err)
		}
	}
	fetched := i.layers
	if i.limit > 0 {
		fetched = fetched[:i.limit]
	}
	layers := make([]RemoteLayer, len(fetched))
	for n, d := range fetched {
		layers[n] = RemoteLayer{
			LayerBlob: snapshot.LayerBlob{Descriptor: ocispecs.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}, DiffID: ids[n]},
			Open:      func(ctx context.Context) (io.ReadCloser, error) { return i.from.blob(ctx, d) },
		}
	}
	return i.s.Unpack(ctx, solver.Origin{Name: "layer of " + i.name, Source: "docker-image://" + i.name}, layers)
}

// RemoteLayer is a layer that can be fetched. If the digest of the uncompressed layer is
// unknown, its DiffID is "".
type RemoteLayer struct {
	snapshot.LayerBlob
	// Open opens the layer as it is stored remotely, usually compressed.
	// [Sources.Unpack] verifies the digest.
	Open func(context.Context) (io.ReadCloser, error)
}

// Unpack fetches layers, applies them in order, the lowest layer first, and returns the
// resulting snapshot. It adds the result of each layer to the cache. If the cache already
// contains the result of the lowest layers, Unpack does not fetch these layers. The parameter
// origin names the operation and the source in the cache entries.
func (s *Sources) Unpack(ctx context.Context, origin solver.Origin, layers []RemoteLayer) (*snapshot.Snapshot, error) {
	if len(layers) > snapshot.MaxLayers {
		return nil, fmt.Errorf("has %d layers, more than %d", len(layers), snapshot.MaxLayers)
	}
	out, chain := snapshot.New(tree.Empty(), nil), digest.Digest("")
	key := func(l RemoteLayer) digest.Digest {
		return digest.FromString(string(chain) + " " + string(cmp.Or(l.DiffID, l.Descriptor.Digest)))
	}
	n := 0
	for ; n < len(layers); n++ {
		cached, ok, err := s.Cache.Get(ctx, key(layers[n]))
		if err != nil {
			return nil, err
		}
		if !ok || len(cached.Outputs) != 1 {
			break
		}
		out, chain = cached.Outputs[0], key(layers[n])
	}
	applied := func(l RemoteLayer, next *snapshot.Snapshot) error {
		out, chain = next, key(l)
		return s.Cache.Put(ctx, chain, origin, solver.CacheEntry{Outputs: []*snapshot.Snapshot{out}})
	}
	stack := &layerStack{Sources: s, layers: layers[n:], first: n, applied: applied}
	if err := stack.unpack(ctx, out); err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Sources) fetchBlob(ctx context.Context, l RemoteLayer) (tree.Blob, error) {
	d := l.Descriptor
	want := tree.Blob{Digest: d.Digest, Size: d.Size}
	if err := d.Digest.Validate(); err != nil {
		return want, fmt.Errorf("%q: %w", d.Digest, err)
	}
	if err := checkMediaType(d.MediaType); err != nil {
		return want, err
	}
	if s.Store.Has(want) {
		return want, nil
	}
	for tried := 1; ; tried++ {
		got, err := s.transfer(ctx, l)
		if isInterrupted(err) && tried < transfers && ctx.Err() == nil {
			continue
		}
		if err == nil && got != want {
			err = fmt.Errorf("got %s with %d bytes instead of %s with %d", got.Digest, got.Size, want.Digest, want.Size)
		}
		return want, err
	}
}

// transfers is the maximum number of attempts to fetch a layer if the connection is
// interrupted.
const transfers = 3

// isInterrupted reports whether err means that a connection ended early.
func isInterrupted(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

func (s *Sources) transfer(ctx context.Context, l RemoteLayer) (tree.Blob, error) {
	t := track.Start(ctx, l.Descriptor.Digest.String(), l.Descriptor.Size)
	defer t.Done()
	r, err := l.Open(ctx)
	if err != nil {
		return tree.Blob{}, err
	}
	got, err := s.Store.Put(t.Reader(io.LimitReader(r, l.Descriptor.Size+1)))
	return got, errors.Join(err, r.Close())
}

// checkMediaType returns an error unless kind is the media type of a layer that is
// uncompressed or compressed with gzip or zstd. Encrypted layers have other media types.
func checkMediaType(kind string) error {
	for _, layer := range []string{
		"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.foreign.diff.tar",
	} {
		switch how, ok := strings.CutPrefix(kind, layer); {
		case ok && slices.Contains([]string{"", "+gzip", "+zstd", ".gzip", ".zstd"}, how):
			return nil
		}
	}
	return fmt.Errorf("media type %q is not a layer type", kind)
}
