package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"slipway/solver/runner"
	"slipway/solver/track"
	"slipway/solver/tree"
)

// stack returns n layers, and a sandbox whose root consists of them. Each layer adds one file.
func (w *fixture) stack(t *testing.T, n int) (*runner.Sandbox, []tree.LayerRef) {
	t.Helper()
	var layers []tree.LayerRef
	lower := tree.Empty()
	for i := range n {
		w.addFiles(t, map[string]string{fmt.Sprintf("files/%d", i): fmt.Sprint(i)})
		layers = append(layers, tree.Layer{Lower: lower, Upper: w.root}.Ref())
		lower = w.root
	}
	return &runner.Sandbox{Mounts: []runner.Mount{{Kind: runner.MountTree, Target: "/", Layers: layers, Tree: w.root}}}, layers
}

// TestPrepare checks that Prepare writes each layer only once, even if several steps need the
// layer at the same time. If all layers exist, Prepare must report no progress.
func TestPrepare(t *testing.T) {
	w := newFixture(t)
	s, layers := w.stack(t, 5)
	var mu sync.Mutex
	started, done := map[string]int{}, map[string]int{}
	ctx := track.WithReporter(t.Context(), func(s track.Status) {
		mu.Lock()
		defer mu.Unlock()
		if s.Done {
			done[s.ID]++
		} else {
			started[s.ID]++
		}
	})
	var steps sync.WaitGroup
	for range 8 {
		steps.Go(func() { w.Prepare(ctx, s) })
	}
	steps.Wait()
	w.Prepare(ctx, s)
	for i, l := range layers {
		if id := string(l.Upper.ID()); started[id] != 1 || done[id] != 1 {
			t.Errorf("layer %d was started %d times and ended %d times, want 1 and 1", i, started[id], done[id])
		}
		if _, err := os.Stat(filepath.Join(w.layerDir(l), "files", fmt.Sprint(i))); err != nil {
			t.Errorf("layer %d: %v", i, err)
		}
	}
	if len(started) != len(layers) {
		t.Errorf("%d layers were reported, want %d", len(started), len(layers))
	}
	dirs, err := w.lowerDirs(ctx, &s.Mounts[0])
	if err != nil || len(dirs) != len(layers) || dirs[0] != w.layerDir(layers[4]) || dirs[4] != w.layerDir(layers[0]) {
		t.Errorf("lower directories %q (%v), want the 5 layers, the topmost first", dirs, err)
	}
}

// TestPrepareEnds checks that canceling the writing of a layer leaves neither an incomplete
// layer directory nor a temporary directory, and that the layer can be written afterwards.
func TestPrepareEnds(t *testing.T) {
	w := newFixture(t)
	s, layers := w.stack(t, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	canceled := track.WithReporter(ctx, func(track.Status) { cancel(cause) }) // when writing starts
	if _, err := w.layer(canceled, layers[0]); !errors.Is(err, cause) {
		t.Errorf("error %v, want %v", err, cause)
	}
	for _, dir := range []string{filepath.Join(w.dir, "run"), w.layers} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			t.Errorf("%s still exists", filepath.Join(dir, e.Name()))
		}
	}
	w.Prepare(t.Context(), s)
	if _, err := os.Stat(w.layerDir(layers[0])); err != nil {
		t.Error(err)
	}
}

// TestFirstLayerError checks that if several layers cannot be written, the error of the lowest
// one is returned.
func TestFirstLayerError(t *testing.T) {
	w := newFixture(t)
	s, layers := w.stack(t, 6)
	for i, l := range layers {
		if i < 2 {
			continue
		}
		layer, err := l.Load()
		if err != nil {
			t.Fatal(err)
		}
		n, err := layer.Upper.Get(fmt.Sprintf("files/%d", i))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.store.Remove(n.Blob().Digest); err != nil {
			t.Fatal(err)
		}
	}
	var missing *tree.BlobError
	for range 5 {
		_, err := w.lowerDirs(t.Context(), &s.Mounts[0])
		if !errors.As(err, &missing) || err.Error() != "write layer: /files/2: "+missing.Error() {
			t.Fatalf("error %v, want a missing blob for /files/2", err)
		}
	}
}
