package namespace

import (
	"context"
	"os"
	"runtime"

	"github.com/moby/sys/capability"
	"github.com/moby/sys/userns"
	"golang.org/x/sync/errgroup"

	"slipway/solver/tree"
)

// readsAllFiles reports whether this process can open files without read permission. In a user
// namespace, it returns false, because processes outside of the namespace may use the same
// state directory.
func readsAllFiles() (bool, error) {
	if os.Geteuid() != 0 || userns.RunningInUserNS() {
		return false, nil
	}
	caps, err := capability.NewPid2(0)
	if err != nil {
		return false, err
	}
	if err := caps.Load(); err != nil {
		return false, err
	}
	return caps.Get(capability.EFFECTIVE, capability.CAP_DAC_OVERRIDE), nil
}

// locations returns the paths and contents of those files of the layer n that the store can
// read from the layer's directory instead of keeping a copy. It omits files that a process may
// be unable to open later, for example because the process runs outside of the user namespace
// in which the step ran. A scratch directory is removed, so that the store needs all files.
func (r *Runner) locations(n *tree.Node) (list []tree.Location, err error) {
	if r.scratch != nil {
		return nil, nil
	}
	enter := func(n *tree.Node) bool { return r.readsAll || isReadable(n, 0o5) }
	err = n.EachFile(enter, func(at tree.Location, n *tree.Node) {
		if r.readsAll || isReadable(n, 0o4) {
			list = append(list, at)
		}
	})
	return list, err
}

// isReadable reports whether root can access the file n without any capability, even if it is
// only root of a user namespace. The parameter mode contains the required permission bits,
// such as 04 for reading.
func isReadable(n *tree.Node, mode uint32) bool {
	m := n.Meta()
	if m.UID == 0 {
		return m.Mode>>6&mode == mode
	}
	return m.Mode&mode == mode && m.Mode>>3&mode == mode
}

// storeFiles copies files below dir to the store. The tree n lists the files. storeFiles skips
// content that the store already has or that the list except contains.
func (r *Runner) storeFiles(ctx context.Context, dir string, n *tree.Node, except []tree.Location) error {
	skip := make(map[tree.Blob]bool, len(except))
	for _, at := range except {
		skip[at.Blob] = true
	}
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	enter := func(*tree.Node) bool { return running.Err() == nil }
	err := n.EachFile(enter, func(at tree.Location, _ *tree.Node) {
		if running.Err() != nil || skip[at.Blob] || r.store.Has(at.Blob) {
			return
		}
		skip[at.Blob] = true
		group.Go(func() error { return r.store.PutFile(running, dir, at) })
	})
	if failed := group.Wait(); failed != nil {
		return failed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
