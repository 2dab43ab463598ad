package dockerfile2llb

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
)

// file is a file operation, a sequence of actions.
//
// Upstream: the operation requires only the capability file.base, regardless of its
// actions.
type file struct {
	base    llb.Output // the tree that the actions change; nil is an empty tree
	actions []action
	msg     pb.FileOp
	kind    pb.Op_File
}

// action is one action of a file operation, such as a copy or the creation of a
// directory.
type action struct {
	msg    pb.FileAction
	source llb.Output // the source of a copy; nil for scratch and for other actions
	owner  *pb.ChownOpt
}

// Inputs implements body. It returns the base and then the sources of copies in reverse
// order.
func (f *file) Inputs() []llb.Output {
	list := make([]llb.Output, 0, 1+len(f.actions))
	if f.base != nil {
		list = append(list, f.base)
	}
	for i := range slices.Backward(f.actions) {
		if src := f.actions[i].source; src != nil && !slices.Contains(list, src) {
			list = append(list, src)
		}
	}
	return list
}

func (*file) index() int64 { return 0 }

func (f *file) write(ctx context.Context, c *llb.Constraints, to *message) error {
	to.require(pb.CapFileBase)
	base, err := to.input(ctx, f.base, c)
	if err != nil {
		return err
	}
	for i := range f.actions {
		if f.actions[i].msg.SecondaryInput, err = to.input(ctx, f.actions[i].source, c); err != nil {
			return err
		}
	}
	f.msg.Actions = make([]*pb.FileAction, len(f.actions))
	for i := range f.actions {
		a := &f.actions[i]
		a.msg.Input, a.msg.Output = base, int64(pb.SkipOutput)
		if i > 0 {
			a.msg.Input = int64(len(to.Inputs) + i - 1)
		}
		if i == len(f.actions)-1 {
			a.msg.Output = 0
		}
		setUserInput(a.owner, base)
		f.msg.Actions[i] = &a.msg
	}
	f.kind.File = &f.msg
	to.Op.Op = &f.kind
	return nil
}

// setUserInput sets the operation input in which the daemon looks up the user and group
// names in owner (in /etc/passwd and /etc/group). The parameter tree is the index of this
// input.
func setUserInput(owner *pb.ChownOpt, tree int64) {
	if owner == nil {
		return
	}
	for _, u := range [...]*pb.UserOpt{owner.User, owner.Group} {
		if n := u.GetByName(); n != nil {
			n.Input = tree
		}
	}
}

// chown parses an owner such as user:group. Numbers and "root" become ids. A missing or
// empty group is not set.
func chown(name string) *pb.ChownOpt {
	if name == "" {
		return nil
	}
	user, group, _ := strings.Cut(name, ":")
	opt := &pb.ChownOpt{User: userOpt(user)}
	if group != "" {
		opt.Group = userOpt(group)
	}
	return opt
}

// userOpt parses the name or the id of a user or group. An empty name is root.
func userOpt(name string) *pb.UserOpt {
	if name == "root" {
		return &pb.UserOpt{User: &pb.UserOpt_ByID{}}
	}
	if id, err := strconv.ParseInt(name, 10, 32); err == nil {
		return &pb.UserOpt{User: &pb.UserOpt_ByID{ByID: uint32(id)}}
	}
	if name == "" {
		return &pb.UserOpt{User: &pb.UserOpt_ByID{}}
	}
	return &pb.UserOpt{User: &pb.UserOpt_ByName{ByName: &pb.NamedUserOpt{Name: name}}}
}

// cleanPath returns name as a clean absolute path.
func cleanPath(name string) string {
	if name = path.Clean(name); path.IsAbs(name) {
		return name
	}
	return path.Join("/", name)
}

// cleanDest returns name as a clean absolute path, and preserves a trailing "/" or "/.",
// which marks the destination as a directory.
func cleanDest(name string) string {
	p := cleanPath(name)
	switch {
	case strings.HasSuffix(name, "/") && !strings.HasSuffix(p, "/"):
		p += "/"
	case strings.HasSuffix(name, "/."):
		if p != "/" {
			p += "/"
		}
		p += "."
	}
	return p
}

// timestamp returns t in nanoseconds since 1970, or -1 if t is nil.
func timestamp(t *time.Time) int64 {
	if t == nil {
		return -1
	}
	return t.UnixNano()
}
