package namespace

import (
	"context"
	"os"
	"path"
	"runtime"

	"github.com/moby/sys/capability"
	"github.com/moby/sys/userns"
	"golang.org/x/sync/errgroup"

	"slipway/solver/tree"
)

// readsAllFiles reports whether this process, and every process that uses its state
// directory, can open files without read permission.
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

// locations returns the locations of the files of the layer n in its directory. It leaves
// out the files that root could not open without privileges, for example because a program
// uses the state directory outside of the user namespace in which the step ran.
func (r *Runner) locations(n *tree.Node) (list []tree.Location, err error) {
	enter := func(n *tree.Node) bool { return r.readsAll || isReadable(n, 0o5) }
	err = eachFile(n, "", enter, func(at tree.Location, n *tree.Node) {
		if r.readsAll || isReadable(n, 0o4) {
			list = append(list, at)
		}
	})
	return list, err
}

// isReadable reports whether root, and a user who is root only in a user namespace, can
// access a file in the ways that the permission bits in mode stand for, without
// capabilities.
func isReadable(n *tree.Node, mode uint32) bool {
	m := n.Meta()
	if m.UID == 0 {
		return m.Mode>>6&mode == mode
	}
	return m.Mode&mode == mode && m.Mode>>3&mode == mode
}

// storeFiles copies the content of the files of n to the store, unless the store already
// has it or the list except contains it. The files are in the directory dir.
func (r *Runner) storeFiles(ctx context.Context, dir string, n *tree.Node, except []tree.Location) error {
	skip := make(map[tree.Blob]bool, len(except))
	for _, at := range except {
		skip[at.Blob] = true
	}
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	enter := func(*tree.Node) bool { return running.Err() == nil }
	err := eachFile(n, "", enter, func(at tree.Location, _ *tree.Node) {
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

// eachFile calls fn for each regular file below the directory n for which enter returns
// true. The parameter at is the path of n.
func eachFile(n *tree.Node, at string, enter func(*tree.Node) bool, fn func(tree.Location, *tree.Node)) error {
	if !enter(n) {
		return nil
	}
	entries, err := n.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(at, e.Name)
		switch e.Node.Kind() {
		case tree.Dir:
			if err := eachFile(e.Node, name, enter, fn); err != nil {
				return err
			}
		case tree.File:
			fn(tree.Location{Blob: e.Node.Blob(), Path: name}, e.Node)
		default: // other kinds have no content
		}
	}
	return nil
}
