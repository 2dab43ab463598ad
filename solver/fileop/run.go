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

// Env contains what a file operation needs in addition to its inputs: a store for files, a
// clock, and an ID of the operation.
type Env struct {
	Store *tree.Store      // contains the files of the inputs, and gets new files
	Now   func() time.Time // returns the modification time of new files
	// ID identifies the operation, usually by its digest. Operations with different IDs
	// never create hard links of the same file.
	ID string
}

// Outcome is the tree that an action produces, and the input that the tree is based on.
type Outcome struct {
	Tree *tree.Node
	// Base is the index of the input that Tree is a changed copy of. If Tree was created
	// from scratch, Base is -1.
	Base int
}

// Apply applies the actions of op in order and returns their outcomes. Actions refer to
// the inputs of the operation by index, and to the outcome of action i by the index
// len(in)+i. If an action fails, the error is an [*ActionError], and Apply returns the
// outcomes of the actions before it. If ctx ends, it returns the error of ctx.
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
			return r.trees[len(in):], &ActionError{Index: i, Err: describe(a, err)}
		}
		r.trees = append(r.trees, Outcome{n, r.base(a)})
	}
	return r.trees[len(in):], nil
}

// ActionError reports which action of a file operation failed, and why.
type ActionError struct {
	Index int // index of the action
	Err   error
}

// Error implements [error].
func (e *ActionError) Error() string { return e.Err.Error() }

// Unwrap returns the error that made the action fail.
func (e *ActionError) Unwrap() error { return e.Err }

// run is the state of one call of [Apply].
type run struct {
	ctx       context.Context
	env       Env
	inputs    int       // number of inputs of the operation
	trees     []Outcome // the inputs of the operation, and then the outcomes of its actions
	copies    int       // number of paths copied up to now
	onOverlay bool      // whether the current action changes an input, and not scratch
}

// tree returns the tree with index i, which is an input of the operation or the outcome of
// an action. If i is negative, it returns the empty tree.
func (r *run) tree(i int64) *tree.Node {
	if i < 0 {
		return tree.Empty()
	}
	return r.trees[i].Tree
}

// base returns the index of the input on which the result of an action is based. If the
// action changes the outcome of an earlier action, this is the input on which that outcome
// is based. If the action starts from scratch, base returns -1.
func (r *run) base(a *pb.FileAction) int {
	if a.Input < 0 {
		return -1
	}
	return r.trees[a.Input].Base
}

// action applies one action and returns the changed tree.
func (r *run) action(a *pb.FileAction) (*tree.Node, error) {
	base := r.tree(a.Input)
	r.onOverlay = r.base(a) >= 0
	if a.Input < int64(r.inputs) {
		// Upstream: the root has this mode, whatever its mode in the input.
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

// modTime converts ns, an LLB timestamp in nanoseconds since 1970, to a time. If ns is
// -1, it returns the current time.
func (r *run) modTime(ns int64) time.Time {
	if ns == -1 {
		return r.env.Now().UTC()
	}
	return time.Unix(0, ns).UTC()
}

// meta returns the metadata of a new file. If owner is nil, the file belongs to root.
// The parameter ns is the modification time in nanoseconds since 1970, or -1 for the
// current time.
func (r *run) meta(mode int32, owner *ids, ns int64) tree.Meta {
	m := tree.Meta{Mode: uint32(mode) & 0o777, ModTime: r.modTime(ns)}
	if owner != nil {
		m.UID, m.GID = owner.uid, owner.gid
	}
	return m
}

// inherit returns the metadata of a new directory. The parameter m is the requested
// metadata, and name is the path of the directory in the tree of the editor e. As in
// Linux, the directory inherits the set-group-ID bit of its parent. If the parent has
// this bit and owner is nil, the directory also inherits the group.
func inherit(e *tree.Editor, name string, m tree.Meta, owner *ids) (tree.Meta, error) {
	for at := name; at != ""; {
		at = parentOf(at)
		kind, parent, err := e.Stat(at)
		if err != nil {
			return m, err
		}
		if kind == 0 {
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
	return m, nil
}

// setGroupID is the set-group-ID mode bit. New files in a directory with this bit inherit
// the group of the directory.
const setGroupID = 0o2000

// inheritGroup returns the metadata of a new file that is not a directory. The
// parameter m is the requested metadata, and name is the path of the file in the tree
// of the editor e. If the parent directory has the set-group-ID bit and owner is nil,
// the file inherits the group of the parent.
func inheritGroup(e *tree.Editor, name string, m tree.Meta, owner *ids) (tree.Meta, error) {
	dir, err := inherit(e, name, m, owner)
	m.GID = dir.GID
	return m, err
}

// mkdir creates a directory. If one exists at the path, it does nothing.
func (r *run) mkdir(e *tree.Editor, a *pb.FileActionMkDir, owner *ids) error {
	name, err := e.Resolve(a.Path, true)
	if err != nil {
		return err
	}
	m, err := inherit(e, name, r.meta(a.Mode, owner, a.Timestamp), owner)
	if err != nil {
		return err
	}
	if a.MakeParents {
		_, err = e.MkdirAll(name, m)
		return err
	}
	if kind, _, err := e.Stat(name); kind != 0 || err != nil {
		return err
	}
	n, err := tree.NewDir(m, nil)
	if err != nil {
		return err
	}
	return e.Put(name, n)
}

// mkfile creates a file, or replaces an existing one.
func (r *run) mkfile(e *tree.Editor, a *pb.FileActionMkFile, owner *ids) error {
	name, err := e.Resolve(a.Path, true)
	if err != nil {
		return err
	}
	kind, _, err := e.Stat(name)
	if err != nil {
		return err
	}
	if kind == tree.Dir {
		return &fs.PathError{Op: "mkfile", Path: "/" + name, Err: errors.New("is a directory")}
	}
	b, err := r.env.Store.PutBytes(a.Data)
	if err != nil {
		return err
	}
	m, err := inheritGroup(e, name, r.meta(a.Mode, owner, a.Timestamp), owner)
	if err != nil {
		return err
	}
	return e.Put(name, tree.NewFile(m, b))
}

// symlink creates a symbolic link. It returns an error if a file exists at its path.
func (r *run) symlink(e *tree.Editor, a *pb.FileActionSymlink, owner *ids) error {
	name, err := e.Resolve(a.Newpath, true)
	if err != nil {
		return err
	}
	kind, _, err := e.Stat(name)
	if err != nil {
		return err
	}
	if kind != 0 {
		return &fs.PathError{Op: "symlink", Path: "/" + name, Err: syscall.EEXIST}
	}
	m, err := inheritGroup(e, name, r.meta(0o777, owner, a.Timestamp), owner)
	if err != nil {
		return err
	}
	return e.Put(name, tree.NewSymlink(m, a.Oldpath))
}

// remove removes the files at a.Path and everything below them. If a.AllowWildcard is set,
// the path may be a pattern with wildcards.
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
			return errors.New("the root cannot be removed")
		}
		dir, err := e.Resolve(dir, true)
		if err != nil {
			return err
		}
		name = path.Join(dir, base)
		kind, _, err := e.Stat(name)
		if err != nil {
			return err
		}
		if kind == 0 && !a.AllowNotFound {
			return &fs.PathError{Op: "remove", Path: "/" + name, Err: syscall.ENOENT}
		}
		if err := e.Remove(name); err != nil {
			return err
		}
	}
	return nil
}
