package solver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// fileOp changes trees without running anything.
type fileOp struct {
	opEnv
	op *pb.FileOp
}

// CacheMap implements [Op]. Of inputs that are only read the selected files
// count, so that a change of other files in the source is a cache hit.
func (o *fileOp) CacheMap(context.Context) (*CacheMap, error) {
	if err := o.checkOwners(); err != nil {
		return nil, err
	}
	m, err := o.cacheMap()
	if err != nil {
		return nil, err
	}
	for i := range m.Deps {
		if m.Exported.Inputs[i].ByContent {
			m.Deps[i].Content = func(_ context.Context, in *snapshot.Snapshot) ([]Part, error) {
				parts, err := o.selected(i, in)
				if err != nil {
					return nil, &InputError{Index: i, Input: in, Err: err}
				}
				return parts, nil
			}
		}
	}
	o.copiesWithin(m)
	return m, nil
}

// copiesWithin adds the sources of copies from inputs that are changed, too, to
// the key: no part covers the files that they select.
//
// Upstream: the name of such an operation has the last element of the source only
// (`COPY --from=a /x/f /` and `COPY --from=a /y/f /` in a stage that starts from a),
// so that a cache may have the result of another one. It is neither exported nor
// imported.
func (o *fileOp) copiesWithin(m *CacheMap) {
	for n, a := range o.op.Actions {
		from := a.SecondaryInput
		if a.GetCopy() == nil || from < 0 || from >= int64(len(m.Deps)) || m.Deps[from].Content != nil {
			continue
		}
		m.Parts = append(m.Parts, Part{Name: fmt.Sprintf("source of copy %d", n), Digest: digest.FromString(a.GetCopy().Src), Input: -1})
		m.Exported.Digest = ""
	}
}

// selected returns the parts of the key for the files that the actions read from
// an input: what they copy, and the files in which they look up owners.
func (o *fileOp) selected(input int, in *snapshot.Snapshot) ([]Part, error) {
	var parts []Part
	for n, a := range o.op.Actions {
		if c := a.GetCopy(); c != nil && a.SecondaryInput == int64(input) {
			if err := checkRequired(in.Tree(), c); err != nil {
				return nil, err
			}
			sel, err := newSelection(in.Tree(), c)
			if err != nil {
				return nil, err
			}
			parts = append(parts, Part{
				Name: fmt.Sprintf("files of copy %d", n), Digest: sel.digest(),
				Input: input, Tree: in.Tree().ID(), From: n,
			})
		}
		owner := ownerOf(a)
		for _, from := range [...]struct {
			file string
			name *pb.NamedUserOpt
		}{{"etc/passwd", owner.GetUser().GetByName()}, {"etc/group", owner.GetGroup().GetByName()}} {
			if from.name == nil || from.name.Input != int64(input) {
				continue
			}
			at, err := in.Tree().Resolve(from.file, true)
			if err != nil {
				return nil, err
			}
			parts = append(parts, Part{Name: fmt.Sprintf("/%s for action %d", from.file, n), Digest: contentDigest(in.Tree().Get(at)), Input: -1})
		}
	}
	return parts, nil
}

// checkOwners returns an error if a name is looked up where nothing is: on
// scratch, whose input has no number.
func (o *fileOp) checkOwners() error {
	for _, a := range o.op.Actions {
		for _, u := range []*pb.UserOpt{ownerOf(a).GetUser(), ownerOf(a).GetGroup()} {
			if n := u.GetByName(); n != nil && n.Input < 0 {
				return fmt.Errorf("invalid user index %d (scratch has no users and groups: use numbers instead of %q)", n.Input, n.Name)
			}
		}
	}
	return nil
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

// Run implements [Op]. It applies the actions in order. The result of action i is
// addressed as input len(in)+i.
func (o *fileOp) Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	f := &fileRun{fileOp: o, ctx: ctx, name: o.v.Digest.String(), origin: make([]int64, len(in))}
	for i, s := range in {
		f.trees = append(f.trees, s.Tree())
		f.origin[i] = int64(i)
	}
	outs := make([]*snapshot.Snapshot, outputs(o.v))
	for i, a := range o.op.Actions {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := f.action(a)
		if err != nil {
			return nil, f.failed(i, in, described(a, err))
		}
		f.trees = append(f.trees, n)
		from := int64(-1)
		if a.Input >= 0 {
			from = f.origin[a.Input]
		}
		f.origin = append(f.origin, from)
		if a.Output >= 0 {
			var base *snapshot.Snapshot
			if from >= 0 {
				base = in[from]
			}
			outs[a.Output] = base.With(f.trees[len(in)+i])
		}
	}
	return outs, nil
}

// described returns the error of an action with the paths that it is about, each
// once.
func described(a *pb.FileAction, err error) error {
	name := short(fileName(&pb.FileOp{Actions: []*pb.FileAction{a}}))
	if p := (*fs.PathError)(nil); errors.As(err, &p) && p.Error() == err.Error() {
		if at := strings.Fields(name); path.Clean(at[len(at)-1]) == p.Path {
			err = p.Err
		} else {
			err = fmt.Errorf("%s: %w", p.Path, p.Err)
		}
	}
	return fmt.Errorf("%s: %w", name, err)
}

// failed returns the error of action i, with the file system that it changes.
func (f *fileRun) failed(i int, in []*snapshot.Snapshot, err error) error {
	e := &ExecError{Err: &ActionError{Index: i, Err: err}, Inputs: in, Mounts: make([]*snapshot.Snapshot, len(f.op.Actions))}
	if from := f.op.Actions[i].Input; from >= 0 {
		var base *snapshot.Snapshot
		if o := f.origin[from]; o >= 0 {
			base = in[o]
		}
		e.Mounts[i] = base
		if from >= int64(len(in)) {
			e.Mounts[i] = base.With(f.trees[from])
		}
	}
	return e
}

// fileRun is the state of a file operation.
type fileRun struct {
	*fileOp
	ctx    context.Context
	trees  []*tree.Node // of inputs, then of actions
	origin []int64      // the input that a tree was made from; -1 is none
	name   string       // of the operation
	copies int          // how many paths were copied until now

	onOverlay bool // the current action does not start from scratch
}

func (f *fileRun) tree(i int64) *tree.Node {
	if i < 0 {
		return tree.Empty()
	}
	return f.trees[i]
}

func (f *fileRun) action(a *pb.FileAction) (*tree.Node, error) {
	base := f.tree(a.Input)
	f.onOverlay = a.Input >= 0 && f.origin[a.Input] >= 0
	if a.Input < int64(len(f.v.Inputs)) {
		// Upstream: the root has this mode, whatever it had in the snapshot below.
		m := base.Meta()
		m.Mode = 0o755
		base = base.WithMeta(m)
	}
	e := tree.Edit(base)
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

func (f *fileRun) mkdir(e *tree.Editor, a *pb.FileActionMkDir, owner *ids) error {
	name, err := e.Resolve(a.Path, true)
	if err != nil {
		return err
	}
	m := inherited(e, name, f.meta(a.Mode, owner, a.Timestamp), owner)
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
	return e.Put(name, tree.NewFile(inheritedGroup(e, name, f.meta(a.Mode, owner, a.Timestamp), owner), b))
}

func (f *fileRun) symlink(e *tree.Editor, a *pb.FileActionSymlink, owner *ids) error {
	name, err := e.Resolve(a.Newpath, true)
	if err != nil {
		return err
	}
	if _, _, there := e.Stat(name); there {
		return &fs.PathError{Op: "symlink", Path: "/" + name, Err: syscall.EEXIST}
	}
	return e.Put(name, tree.NewSymlink(inheritedGroup(e, name, f.meta(0o777, owner, a.Timestamp), owner), a.Oldpath))
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
