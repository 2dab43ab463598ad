package fileop

import (
	"bytes"
	"errors"
	"io"
	"io/fs"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/sys/user"
)

// ids holds the ids of a user and a group.
type ids struct{ uid, gid uint32 }

// owner returns the ids of the user and group in o, the owner that an action sets, or
// nil if o is nil. It looks names up in /etc/passwd and /etc/group of the tree that o
// refers to.
//
// Upstream: an unknown name has the id 0, and a numeric user without a group also sets the
// group.
func (r *run) owner(o *pb.ChownOpt) (*ids, error) {
	if o == nil {
		return nil, nil
	}
	var out ids
	switch u := o.GetUser().GetUser().(type) {
	case *pb.UserOpt_ByID:
		out = ids{u.ByID, u.ByID}
	case *pb.UserOpt_ByName:
		err := r.parse(u.ByName, "etc/passwd", func(file io.Reader) error {
			found, err := user.ParsePasswdFilter(file, func(e user.User) bool { return e.Name == u.ByName.Name })
			if len(found) > 0 {
				out = ids{uint32(found[0].Uid), uint32(found[0].Gid)}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	switch g := o.GetGroup().GetUser().(type) {
	case *pb.UserOpt_ByID:
		out.gid = g.ByID
	case *pb.UserOpt_ByName:
		err := r.parse(g.ByName, "etc/group", func(file io.Reader) error {
			found, err := user.ParseGroupFilter(file, func(e user.Group) bool { return e.Name == g.ByName.Name })
			if len(found) > 0 {
				out.gid = uint32(found[0].Gid)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// parse calls fn with the content of the account file in which a name is looked up. The
// parameter name contains this name and the index of the tree with the file. The parameter
// file is the path of the file, such as etc/passwd. If the file does not exist, parse does
// not call fn.
func (r *run) parse(name *pb.NamedUserOpt, file string, fn func(io.Reader) error) error {
	data, err := ReadFile(r.ctx, r.env.Store, r.tree(name.Input), file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fn(bytes.NewReader(data))
}
