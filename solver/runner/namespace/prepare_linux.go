package namespace

import (
	"cmp"
	"context"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// Prepare implements [runner.Preparer].
func (r *Runner) Prepare(ctx context.Context, s *runner.Sandbox) {
	if r.copies {
		return
	}
	for i := range s.Mounts {
		if m := &s.Mounts[i]; m.Kind == runner.MountTree {
			_, _ = r.lowerDirs(ctx, m) // Run returns the error
		}
	}
}

// parallelWrites is the number of layers that are written concurrently. Writing a single layer
// does not use all CPUs all the time: [tree.WriteDir] writes files concurrently, but starts
// and ends with a single goroutine.
const parallelWrites = 2

// layerDirs returns the directories for layers, the lowest first. It writes directories that
// do not exist yet, and leaves out layers without changes.
func (r *Runner) layerDirs(ctx context.Context, layers []tree.LayerRef) ([]string, error) {
	dirs, errs := make([]string, len(layers)), make([]error, len(layers))
	var g errgroup.Group
	g.SetLimit(parallelWrites)
	for i, l := range layers {
		dir := r.layerDir(l)
		if _, err := os.Stat(dir); err == nil {
			dirs[i] = dir
			continue
		}
		g.Go(func() error {
			dirs[i], errs[i] = r.layer(ctx, l)
			return nil
		})
	}
	_ = g.Wait()
	if err := cmp.Or(errs...); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(dirs, func(dir string) bool { return dir == "" }), nil
}

// lock locks the layer directory dir, so that only one goroutine of this process writes it.
// Other processes may write the same layer concurrently: the first one that completes it wins.
func (r *Runner) lock(ctx context.Context, dir string) (unlock func(), err error) {
	l, _ := r.writing.LoadOrStore(dir, semaphore.NewWeighted(1))
	one := l.(*semaphore.Weighted)
	if one.Acquire(ctx, 1) != nil {
		return nil, context.Cause(ctx)
	}
	return func() { one.Release(1) }, nil
}
