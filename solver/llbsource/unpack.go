package llbsource

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"slipway/solver/snapshot"
	"slipway/solver/track"
	"slipway/solver/tree"
)

// parallelLayers is the maximum number of layers of an image that are fetched concurrently, as
// in Docker. It is also the maximum number of layers that are read concurrently.
const parallelLayers = 3

// layerStack fetches layers of an image and applies them in order.
//
// As soon as a layer is fetched, it is read: it is decompressed, and the contents of its files
// are stored. Meanwhile, other layers are fetched and read. When the tree of the layer below
// is complete, the entries of the layer are applied to that tree.
type layerStack struct {
	*Sources
	layers []RemoteLayer // lowest first
	first  int           // index of layers[0] in the image, for errors

	// applied is called for each layer in order, with the resulting snapshot.
	applied func(RemoteLayer, *snapshot.Snapshot) error
}

// unpack fetches the layers and applies them to out. If several layers are invalid, it returns
// the error of the lowest one. If a layer cannot be fetched, unpack returns the error of the
// fetch instead, so that the result does not depend on which error occurs first.
func (s *layerStack) unpack(ctx context.Context, out *snapshot.Snapshot) error {
	fetches, fetchCtx := errgroup.WithContext(ctx)
	fetches.SetLimit(parallelLayers)
	readCtx, stop := context.WithCancel(fetchCtx)
	defer stop()

	fetched := make([]chan struct{}, len(s.layers))
	for i := range fetched {
		fetched[i] = make(chan struct{})
	}
	var running sync.WaitGroup
	running.Go(func() {
		for i := range s.layers {
			fetches.Go(func() error { return s.fetch(fetchCtx, i, fetched[i]) })
		}
	})
	reads, window := make(chan *layerRead, parallelLayers), make(chan struct{}, parallelLayers)
	running.Go(func() {
		defer close(reads)
		for i, l := range s.layers {
			if !send(readCtx, window, struct{}{}) {
				return
			}
			r := &layerRead{
				scan: tree.NewLayerScan(s.Store, s.Limits), blob: l.LayerBlob,
				fetched: fetched[i], finished: make(chan struct{}), applied: make(chan struct{}),
			}
			running.Go(func() { s.read(readCtx, r) })
			reads <- r
		}
	})
	err := s.apply(readCtx, out, reads, window)
	stop()
	running.Wait()
	if fetchErr := fetches.Wait(); fetchErr != nil {
		return fetchErr
	}
	return err
}

// send sends v to c and returns true, or returns false if ctx ends first.
func send[T any](ctx context.Context, c chan<- T, v T) bool {
	select {
	case c <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// fetch fetches the compressed layer with the index i into the store, and closes the channel
// fetched.
func (s *layerStack) fetch(ctx context.Context, i int, fetched chan<- struct{}) error {
	l := s.layers[i]
	_, err := s.layerBlobs.Do(ctx, l.Descriptor.Digest, func(ctx context.Context) (tree.Blob, error) { return s.fetchBlob(ctx, l) })
	if err != nil {
		return fmt.Errorf("layer %d: %w", s.first+i, err)
	}
	close(fetched)
	return nil
}

// layerRead is the state of reading one layer of an image.
type layerRead struct {
	scan    *tree.LayerScan
	blob    snapshot.LayerBlob // stays in the store, because the image being built will refer to it
	fetched <-chan struct{}    // closed when blob is in the store
	applied chan struct{}      // closed when the layer was applied

	finished chan struct{} // closed when the fields below are set
	diffID   digest.Digest // the actual one
	err      error
}

// read waits until the layer r is fetched, and then reads it to its end.
func (s *layerStack) read(ctx context.Context, r *layerRead) {
	select {
	case <-r.fetched:
	case <-ctx.Done():
		r.scan.Fail(context.Cause(ctx))
		return
	}
	defer track.Start(ctx, "extracting "+r.blob.Descriptor.Digest.String(), 0).Done()
	data, err := s.uncompressed(ctx, r.blob.StoreBlob())
	if err != nil {
		r.scan.Fail(err)
		return
	}
	hash := sha256.New()
	if r.err = r.scan.Read(ctx, io.TeeReader(data, hash)); r.err == nil {
		_, r.err = io.Copy(hash, data) // trailing data after the end of the archive
	}
	r.err = errors.Join(r.err, data.Close())
	r.diffID = digest.NewDigest(digest.SHA256, hash)
	close(r.finished)
	select {
	case <-r.applied:
	case <-ctx.Done():
	}
}

// apply receives layers from the channel reads and applies them to out, one after another.
// After each layer, it receives a value from the channel window, which lets another goroutine
// read the next layer.
func (s *layerStack) apply(ctx context.Context, out *snapshot.Snapshot, reads <-chan *layerRead, window <-chan struct{}) error {
	for i, l := range s.layers {
		r, ok := <-reads
		if !ok {
			return context.Cause(ctx)
		}
		var err error
		if out, err = r.apply(out); err != nil {
			return fmt.Errorf("layer %d: %w", s.first+i, err)
		}
		close(r.applied)
		if err := s.applied(l, out); err != nil {
			return err
		}
		<-window
	}
	return nil
}

// apply applies the layer r to the tree of base, and returns the resulting snapshot. If the
// layer does not have the expected diffID, apply returns an error.
func (r *layerRead) apply(base *snapshot.Snapshot) (*snapshot.Snapshot, error) {
	root, err := base.Tree()
	if err != nil {
		return nil, err
	}
	n, err := r.scan.Apply(root)
	if err != nil {
		return nil, err
	}
	<-r.finished
	if r.err != nil {
		return nil, r.err
	}
	if r.blob.DiffID = cmp.Or(r.blob.DiffID, r.diffID); r.diffID != r.blob.DiffID {
		return nil, fmt.Errorf("failed to verify layer: is %s uncompressed, and should be %s", r.diffID, r.blob.DiffID)
	}
	return base.WithBlob(n, &r.blob), nil
}
