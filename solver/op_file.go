package solver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/tree"
)

// fileOp changes trees without running anything.
type fileOp struct {
	*task
	op *pb.FileOp
}

// key has the whole of what is changed, and of what is copied from only what
// the copies select: other files of the source do not matter.
func (o *fileOp) key(ctx context.Context, in []*Result) (Key, error) {
	k, err := o.baseKey()
	if err != nil {
		return k, err
	}
	changed := o.wholeInputs()
	if err := ahead(ctx, in, func(i int64) bool { return !slices.Contains(changed, i) }); err != nil {
		return k, err
	}
	whole := map[int64]bool{}
	for _, i := range changed {
		if i < 0 || i >= int64(len(in)) || whole[i] {
			continue
		}
		whole[i] = true
		if err := k.addInput(ctx, fmt.Sprintf("input %d", i), i, in[i]); err != nil {
			return k, err
		}
	}
	for n, a := range o.op.Actions {
		c, from := a.GetCopy(), a.SecondaryInput
		if c == nil || from < 0 || from >= int64(len(in)) || whole[from] {
			continue
		}
		src, err := in[from].Snapshot(ctx)
		if err != nil {
			return k, err
		}
		sel, err := newSelection(src.Tree(), c)
		if err != nil {
			return k, err
		}
		k.Parts = append(k.Parts, Part{
			Name: fmt.Sprintf("files of copy %d", n), Digest: sel.digest(),
			Input: int(from), Tree: src.Tree().ID(), From: n,
		})
	}
	return k, nil
}

// wholeInputs are the inputs that actions change, and those whose users and
// groups they look up.
func (o *fileOp) wholeInputs() []int64 {
	var list []int64
	for _, a := range o.op.Actions {
		list = append(append(list, a.Input), namedOwners(a)...)
	}
	return list
}

// namedOwners are the inputs in whose files an action looks names up.
func namedOwners(a *pb.FileAction) []int64 {
	var list []int64
	for _, u := range []*pb.UserOpt{ownerOf(a).GetUser(), ownerOf(a).GetGroup()} {
		if n := u.GetByName(); n != nil {
			list = append(list, n.Input)
		}
	}
	return list
}

func ownerOf(a *pb.FileAction) *pb.ChownOpt {
	switch a := a.Action.(type) {
	case *pb.FileAction_Copy:
		return a.Copy.GetOwner()
	case *pb.FileAction_Mkfile:
		return a.Mkfile.GetOwner()
	case *pb.FileAction_Mkdir:
		return a.Mkdir.GetOwner()
	case *pb.FileAction_Symlink:
		return a.Symlink.GetOwner()
	}
	return nil
}

// run does the actions one after the other. Their results have numbers behind
// those of the inputs.
func (o *fileOp) run(ctx context.Context, in []*Result) ([]*Snapshot, error) {
	bases, err := snapshots(ctx, in)
	if err != nil {
		return nil, err
	}
	f := &fileRun{fileOp: o, name: o.v.Digest.String(), origin: make([]int64, len(in))}
	for i, s := range bases {
		f.trees = append(f.trees, s.Tree())
		f.origin[i] = int64(i)
	}
	outs := make([]*Snapshot, outputs(o.v))
	for i, a := range o.op.Actions {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := f.action(a)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", short(fileName(&pb.FileOp{Actions: []*pb.FileAction{a}})), err)
		}
		f.trees = append(f.trees, n)
		from := int64(-1)
		if a.Input >= 0 {
			from = f.origin[a.Input]
		}
		f.origin = append(f.origin, from)
		if a.Output >= 0 {
			var base *Snapshot
			if from >= 0 {
				base = bases[from]
			}
			outs[a.Output] = base.With(f.trees[len(in)+i])
		}
	}
	return outs, nil
}

// fileRun is the state of a file operation.
type fileRun struct {
	*fileOp
	trees  []*tree.Node // of inputs, then of actions
	origin []int64      // the input that a tree was made from; -1 is none
	name   string       // of the operation
	copies int          // how many paths were copied until now
}

func (f *fileRun) tree(i int64) *tree.Node {
	if i < 0 {
		return tree.Empty()
	}
	return f.trees[i]
}

func (f *fileRun) action(a *pb.FileAction) (*tree.Node, error) {
	e := tree.Edit(f.tree(a.Input))
	e.Touch(f.b.opt.Now)
	owner, err := f.owner(ownerOf(a))
	if err != nil {
		return nil, err
	}
	switch act := a.Action.(type) {
	case *pb.FileAction_Mkdir:
		err = f.mkdir(e, act.Mkdir, owner)
	case *pb.FileAction_Mkfile:
		err = f.mkfile(e, act.Mkfile, owner)
	case *pb.FileAction_Symlink:
		err = f.symlink(e, act.Symlink, owner)
	case *pb.FileAction_Rm:
		err = remove(e, act.Rm)
	case *pb.FileAction_Copy:
		err = f.copy(e, f.tree(a.SecondaryInput), act.Copy, owner)
	}
	if err != nil {
		return nil, err
	}
	return e.Tree(), nil
}

// when returns the time of a new file: nanoseconds, or -1 for now.
func (f *fileRun) when(ns int64) time.Time {
	if ns == -1 {
		return f.b.opt.Now().UTC()
	}
	return time.Unix(0, ns).UTC()
}

func (f *fileRun) meta(mode int32, owner *ids, ns int64) tree.Meta {
	m := tree.Meta{Mode: uint32(mode) & 0o777, ModTime: f.when(ns)}
	if owner != nil {
		m.UID, m.GID = owner.uid, owner.gid
	}
	return m
}

func (f *fileRun) mkdir(e *tree.Editor, a *pb.FileActionMkDir, owner *ids) error {
	name, err := e.Resolve(a.Path, true)
	if err != nil {
		return err
	}
	m := f.meta(a.Mode, owner, a.Timestamp)
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

func (f *fileRun) mkfile(e *tree.Editor, a *pb.FileActionMkFile, owner *ids) error {
	name, err := e.Resolve(a.Path, true)
	if err != nil {
		return err
	}
	if kind, _, _ := e.Stat(name); kind == tree.Dir {
		return &fs.PathError{Op: "mkfile", Path: "/" + name, Err: errors.New("is a directory")}
	}
	b, err := f.b.opt.Store.PutBytes(a.Data)
	if err != nil {
		return err
	}
	return e.Put(name, tree.NewFile(f.meta(a.Mode, owner, a.Timestamp), b))
}

func (f *fileRun) symlink(e *tree.Editor, a *pb.FileActionSymlink, owner *ids) error {
	name, err := e.Resolve(a.Newpath, true)
	if err != nil {
		return err
	}
	if _, _, there := e.Stat(name); there {
		return &fs.PathError{Op: "symlink", Path: "/" + name, Err: syscall.EEXIST}
	}
	return e.Put(name, tree.NewSymlink(f.meta(0o777, owner, a.Timestamp), a.Oldpath))
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

// readFile returns the content of a file, through symbolic links.
func readFile(s *tree.Store, n *tree.Node, name string) ([]byte, error) {
	p, err := n.Resolve(name, true)
	if err != nil {
		return nil, err
	}
	f := n.Get(p)
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: "/" + strings.TrimPrefix(name, "/"), Err: syscall.ENOENT}
	}
	if f.Kind() != tree.File {
		return nil, &fs.PathError{Op: "read", Path: "/" + p, Err: fmt.Errorf("is a %s", f.Kind())}
	}
	r, err := s.Open(f.Blob())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
