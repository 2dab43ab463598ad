package solver

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/cachemap"
	"slipway/solver/fileop"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// fileOp implements file operations, which copy, create and delete files without running
// a process.
type fileOp struct {
	opEnv
	op *pb.FileOp
}

// CacheMap implements [Op]. If actions only read from an input, the cache key covers just
// the files that they select. Changes to other files of a build context therefore do not
// prevent a cache hit.
func (o *fileOp) CacheMap(context.Context) (*CacheMap, error) {
	if err := o.checkOwners(); err != nil {
		return nil, err
	}
	return o.cacheMap(func(i int, in *snapshot.Snapshot) ([]Part, error) {
		parts, err := o.contentParts(i, in)
		if missing := new(fileop.NotFoundError); errors.As(err, &missing) {
			missing.Copying = in.Chain().Len() == 0
		}
		if err != nil {
			return nil, &InputError{Index: i, Input: in, Err: err}
		}
		return parts, nil
	})
}

// contentParts returns the parts of the cache key for the files that the actions read
// from an input. These are the files to copy, and /etc/passwd and /etc/group if owners
// are looked up in them.
func (o *fileOp) contentParts(input int, in *snapshot.Snapshot) ([]Part, error) {
	var parts []Part
	root, err := in.Tree()
	if err != nil {
		return nil, err
	}
	for n, a := range o.op.Actions {
		if c := a.GetCopy(); c != nil && a.SecondaryInput == int64(input) {
			if err := fileop.CheckRequired(root, c); err != nil {
				return nil, err
			}
			sel, err := fileop.Select(root, c)
			if err != nil {
				return nil, err
			}
			parts = append(parts, Part{
				Name: fmt.Sprintf("files of copy %d", n), Digest: sel.Digest(),
				Input: input, Tree: root.ID(), From: n,
			})
		}
		for _, name := range cachemap.Accounts(a) {
			if name.Input != int64(input) {
				continue
			}
			at, err := root.Resolve(name.File, true)
			if err != nil {
				return nil, err
			}
			sum, err := contentDigest(root, at)
			if err != nil {
				return nil, err
			}
			parts = append(parts, Part{Name: fmt.Sprintf("%s for action %d", name.File, n), Digest: sum, Input: -1})
		}
	}
	return parts, nil
}

// checkOwners returns an error if an action names an owner, such as --chown=bob, but its
// file system is scratch, which has no account files.
func (o *fileOp) checkOwners() error {
	for _, a := range o.op.Actions {
		for _, name := range cachemap.Accounts(a) {
			if name.Input < 0 {
				return fmt.Errorf("invalid user index %d (scratch has no users and groups: use numbers instead of %q)", name.Input, name.Name)
			}
		}
	}
	return nil
}

// Run implements [Op].
func (o *fileOp) Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	started := o.opt.Now()
	trees := make([]*tree.Node, len(in))
	for i, s := range in {
		var err error
		if trees[i], err = s.Tree(); err != nil {
			return nil, err
		}
	}
	env := fileop.Env{Store: o.opt.Store, Now: o.opt.Now, ID: o.v.Digest.String()}
	list, err := fileop.Apply(ctx, o.op, trees, env)
	if err != nil {
		return nil, o.failed(in, list, err)
	}
	outs := make([]*snapshot.Snapshot, outputs(o.v))
	for i, a := range o.op.Actions {
		if a.Output >= 0 {
			outs[a.Output] = snapshotAt(in, int64(list[i].Base)).WithNew(list[i].Tree, started)
		}
	}
	return outs, nil
}

// failed returns err as an [ExecError] if an action caused it. For debuggers, the ExecError
// contains the file system that the action should have changed, and the results of the actions
// before it. The parameter outcomes contains these results.
func (o *fileOp) failed(in []*snapshot.Snapshot, outcomes []fileop.Outcome, err error) error {
	var of *fileop.ActionError
	if !errors.As(err, &of) {
		return err
	}
	e := &ExecError{Err: err, Inputs: in, Mounts: make([]*snapshot.Snapshot, len(o.op.Actions))}
	for i, out := range outcomes {
		e.Mounts[i] = snapshotAt(in, int64(out.Base)).With(out.Tree)
	}
	from := o.op.Actions[of.Index].Input
	e.Mounts[of.Index] = snapshotAt(in, from)
	if i := int(from) - len(in); i >= 0 {
		e.Mounts[of.Index] = e.Mounts[i]
	}
	return e
}
