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

// parallelWrites is the number of layers that are written concurrently. [tree.WriteDir] has
// several goroutines for each of them, but not at its start and at its end.
const parallelWrites = 2

// layerDirs returns the directories of layers, lowest first, without the layers that have no
// changes. It writes directories that do not exist yet.
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

// lock makes the caller the only goroutine that writes the layer directory dir. Other
// processes may write it, too: the first one to complete the directory wins.
func (r *Runner) lock(ctx context.Context, dir string) (unlock func(), err error) {
	l, _ := r.writing.LoadOrStore(dir, semaphore.NewWeighted(1))
	one := l.(*semaphore.Weighted)
	if one.Acquire(ctx, 1) != nil {
		return nil, context.Cause(ctx)
	}
	return func() { one.Release(1) }, nil
}
