package source

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"slipway/solver"
	"slipway/solver/tree"
)

// parallelLayers is how many layers of an image are fetched at a time, as many as
// Docker fetches.
const parallelLayers = 3

// Fetch implements [solver.Source]. Layers that another image brought already
// are not fetched again.
func (i *Image) Fetch(ctx context.Context) (*solver.Snapshot, error) {
	s, err := i.fetch(ctx)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", i.name, err)
	}
	return s, nil
}

func (i *Image) fetch(ctx context.Context) (*solver.Snapshot, error) {
	var config ocispecs.Image
	if err := json.Unmarshal(i.config, &config); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	ids := config.RootFS.DiffIDs
	if len(i.layers) != len(ids) {
		return nil, fmt.Errorf("has %d layers, its config lists %d", len(i.layers), len(ids))
	}
	s, chain := solver.NewSnapshot(tree.Empty(), nil), digest.Digest("")
	next := func(n int) digest.Digest { return digest.FromString(string(chain) + " " + string(ids[n])) }
	n := 0
	for ; n < len(ids); n++ {
		cached, ok, err := i.s.Cache.Get(ctx, next(n))
		if err != nil {
			return nil, err
		}
		if !ok || len(cached) != 1 {
			break
		}
		s, chain = cached[0], next(n)
	}
	if err := i.fetchBlobs(ctx, n); err != nil {
		return nil, err
	}
	for ; n < len(ids); n++ {
		var err error
		if s, err = i.s.layer(ctx, s, i.layers[n], ids[n]); err != nil {
			return nil, fmt.Errorf("layer %d: %w", n, err)
		}
		chain = next(n)
		if err := i.s.Cache.Put(ctx, chain, solver.Origin{Name: "layer of " + i.name, Source: "docker-image://" + i.name}, []*solver.Snapshot{s}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// fetchBlobs gets the layers from one on, several at a time.
func (i *Image) fetchBlobs(ctx context.Context, first int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelLayers)
	for n, d := range i.layers[first:] {
		g.Go(func() error {
			_, err := i.s.layerBlobs.get(string(d.Digest), func() (tree.Blob, error) { return i.fetchBlob(ctx, d) })
			if err != nil {
				return fmt.Errorf("layer %d: %w", first+n, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (i *Image) fetchBlob(ctx context.Context, d ocispecs.Descriptor) (tree.Blob, error) {
	want := tree.Blob{Digest: d.Digest, Size: d.Size}
	if err := d.Digest.Validate(); err != nil {
		return want, fmt.Errorf("%q: %w", d.Digest, err)
	}
	if i.s.Store.Has(want) {
		return want, nil
	}
	r, err := i.from.blob(ctx, d)
	if err != nil {
		return want, err
	}
	got, err := i.s.Store.Put(io.LimitReader(r, d.Size+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return want, err
	}
	if got != want {
		return want, fmt.Errorf("got %s with %d bytes instead of %s with %d", got.Digest, got.Size, want.Digest, want.Size)
	}
	return want, nil
}

// layer puts a layer on top. Its blob is kept, as the image that is built will
// have it, too.
func (s *Sources) layer(ctx context.Context, base *solver.Snapshot, d ocispecs.Descriptor, diffID digest.Digest) (*solver.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err := s.uncompressed(tree.Blob{Digest: d.Digest, Size: d.Size})
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	n, err := tree.ReadLayer(base.Tree(), io.TeeReader(r, hash), s.Store, tree.ReadOptions{})
	if err == nil {
		_, err = io.Copy(hash, r) // what stands behind the end of the archive
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	if got := digest.NewDigest(digest.SHA256, hash); got != diffID {
		return nil, fmt.Errorf("is %s uncompressed, and should be %s", got, diffID)
	}
	return base.WithBlob(n, &solver.Blob{
		Descriptor: ocispecs.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size},
		DiffID:     diffID,
	}), nil
}
