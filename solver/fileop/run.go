package fileop

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"syscall"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/cachemap"
	"slipway/solver/tree"
)

// Env is what file operations need besides their inputs.
type Env struct {
	Store *tree.Store
	Now   func() time.Time // of new files
	// ID identifies the operation. Hard links that it makes are never hard links of
	// files that another operation made.
	ID string
}

// Outcome is what an action made of its input.
type Outcome struct {
	Tree *tree.Node
	// Base is the number of the input of the operation that the action, and those
	// before it, changed. It is -1 if they started from an empty tree.
	Base int
}

// Apply applies the actions of op in order, and returns the outcome of each. Actions
// have the inputs of the operation by their numbers in the list, and the outcome of
// action i as number len(in)+i. If an action fails, the error is an [*ActionError],
// and Apply returns the outcomes of the actions before it.
func Apply(ctx context.Context, op *pb.FileOp, in []*tree.Node, env Env) ([]Outcome, error) {
	r := &run{ctx: ctx, env: env, inputs: len(in)}
	for i, n := range in {
		r.trees = append(r.trees, Outcome{n, i})
	}
	for i, a := range op.Actions {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := r.action(a)
		if err != nil {
			return r.trees[len(in):], &ActionError{Index: i, Err: described(a, err)}
		}
		r.trees = append(r.trees, Outcome{n, r.base(a)})
	}
	return r.trees[len(in):], nil
}

// ActionError is the error of an action of a file operation.
type ActionError struct {
	Index int // of the action
	Err   error
}

// Error implements [error].
func (e *ActionError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ActionError) Unwrap() error { return e.Err }

// run is the state of a file operation.
type run struct {
	ctx       context.Context
	env       Env
	inputs    int
	trees     []Outcome // of inputs, then of actions
	copies    int       // paths that were copied until now
	onOverlay bool      // the current action does not start from scratch
}

// tree returns an input of an action. If i is negative, it is the empty tree.
func (r *run) tree(i int64) *tree.Node {
	if i < 0 {
		return tree.Empty()
	}
	return r.trees[i].Tree
}

// base returns the number of the input of the operation that a changes, or -1.
func (r *run) base(a *pb.FileAction) int {
	if a.Input < 0 {
		return -1
	}
	return r.trees[a.Input].Base
}

func (r *run) action(a *pb.FileAction) (*tree.Node, error) {
	base := r.tree(a.Input)
	r.onOverlay = r.base(a) >= 0
	if a.Input < int64(r.inputs) {
		// Upstream: the root has this mode, whatever it had in the snapshot below.
		m := base.Meta()
		m.Mode = 0o755
		base = base.WithMeta(m)
	}
	e := tree.Edit(base)
	e.Touch(r.env.Now)
	owner, err := r.owner(cachemap.Owner(a))
	if err != nil {
		return nil, err
	}
	switch act := a.Action.(type) {
	case *pb.FileAction_Mkdir:
		err = r.mkdir(e, act.Mkdir, owner)
	case *pb.FileAction_Mkfile:
		err = r.mkfile(e, act.Mkfile, owner)
	case *pb.FileAction_Symlink:
		err = r.symlink(e, act.Symlink, owner)
	case *pb.FileAction_Rm:
		err = remove(e, act.Rm)
	case *pb.FileAction_Copy:
		err = r.copy(e, r.tree(a.SecondaryInput), act.Copy, owner)
	}
	if err != nil {
		return nil, err
	}
	return e.Tree(), nil
}

// when returns the time of a new file: nanoseconds, or -1 for now.
func (r *run) when(ns int64) time.Time {
	if ns == -1 {
		return r.env.Now().UTC()
	}
	return time.Unix(0, ns).UTC()
}

func (r *run) meta(mode int32, owner *ids, ns int64) tree.Meta {
	m := tree.Meta{Mode: uint32(mode) & 0o777, ModTime: r.when(ns)}
	if owner != nil {
		m.UID, m.GID = owner.uid, owner.gid
	}
	return m
}

// inherited returns the metadata of a directory that is made at a path of e. As in
// Linux, it has the set-group-ID bit if the directory that it is made in has it,
// and the group of that directory unless it is given an owner.
func inherited(e *tree.Editor, name string, m tree.Meta, owner *ids) tree.Meta {
	for at := name; at != ""; {
		at = parentOf(at)
		kind, parent, there := e.Stat(at)
		if !there {
			continue
		}
		if kind == tree.Dir && parent.Mode&setGroupID != 0 {
			m.Mode |= setGroupID
			if owner == nil {
				m.GID = parent.GID
			}
		}
		break
	}
	return m
}

// setGroupID is the bit of a directory's mode that gives its group to what is made
// in it.
const setGroupID = 0o2000

// inheritedGroup is [inherited] of files other than directories, which get the
// group alone.
func inheritedGroup(e *tree.Editor, name string, m tree.Meta, owner *ids) tree.Meta {
	m.GID = inherited(e, name, m, owner).GID
	return m
}

func (r *run) mkdir(e *tree.Editor, a *pb.FileActionMkDir, owner *ids) error {
	name, err := e.Resolve(a.Path, true)
	if err != nil {
		return err
	}
	m := inherited(e, name, r.meta(a.Mode, owner, a.Timestamp), owner)
	if a.MakeParents {
		_, err = e.MkdirAll(name, m)
		return err
	}
	if _, _, there := e.Stat(name); there {
		return nil
	}
	n, err := tree.NewDir(m, nil)
	if err != nil {
		return err
	}
	return e.Put(name, n)
}

func (r *run) mkfile(e *tree.Editor, a *pb.FileActionMkFile, owner *ids) error {
	name, err := e.Resolve(a.Path, true)
	if err != nil {
		return err
	}
	if kind, _, _ := e.Stat(name); kind == tree.Dir {
		return &fs.PathError{Op: "mkfile", Path: "/" + name, Err: errors.New("is a directory")}
	}
	b, err := r.env.Store.PutBytes(a.Data)
	if err != nil {
		return err
	}
	return e.Put(name, tree.NewFile(inheritedGroup(e, name, r.meta(a.Mode, owner, a.Timestamp), owner), b))
}

func (r *run) symlink(e *tree.Editor, a *pb.FileActionSymlink, owner *ids) error {
	name, err := e.Resolve(a.Newpath, true)
	if err != nil {
		return err
	}
	if _, _, there := e.Stat(name); there {
		return &fs.PathError{Op: "symlink", Path: "/" + name, Err: syscall.EEXIST}
	}
	return e.Put(name, tree.NewSymlink(inheritedGroup(e, name, r.meta(0o777, owner, a.Timestamp), owner), a.Oldpath))
}

func remove(e *tree.Editor, a *pb.FileActionRm) error {
	names := []string{a.Path}
	if a.AllowWildcard {
		var err error
		if names, err = wildcard(e.Tree(), a.Path, false); err != nil {
			return err
		}
	}
	for _, name := range names {
		dir, base := path.Split(path.Clean("/" + name))
		if base == "" {
			return errors.New("the root stays")
		}
		dir, err := e.Resolve(dir, true)
		if err != nil {
			return err
		}
		name = path.Join(dir, base)
		if _, _, there := e.Stat(name); !there && !a.AllowNotFound {
			return &fs.PathError{Op: "remove", Path: "/" + name, Err: syscall.ENOENT}
		}
		if err := e.Remove(name); err != nil {
			return err
		}
	}
	return nil
}
