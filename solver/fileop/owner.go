package solver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/sys/user"

	"slipway/solver/tree"
)

// ids are the numbers of a user and a group.
type ids struct{ uid, gid uint32 }

// owner finds the numbers of an owner; nil if none is wanted. Names are looked
// up in the files of the tree that the definition names.
//
// A name that is not found is 0, as in BuildKit, and a number is that of user
// and group.
func (f *fileRun) owner(o *pb.ChownOpt) (*ids, error) {
	if o == nil {
		return nil, nil
	}
	var out ids
	switch u := o.GetUser().GetUser().(type) {
	case *pb.UserOpt_ByID:
		out = ids{u.ByID, u.ByID}
	case *pb.UserOpt_ByName:
		err := f.parse(u.ByName, "etc/passwd", func(r io.Reader) error {
			found, err := user.ParsePasswdFilter(r, func(e user.User) bool { return e.Name == u.ByName.Name })
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
		err := f.parse(g.ByName, "etc/group", func(r io.Reader) error {
			found, err := user.ParseGroupFilter(r, func(e user.Group) bool { return e.Name == g.ByName.Name })
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

// parse reads a file of the tree that a name is looked up in; a missing one has
// no names.
func (f *fileRun) parse(name *pb.NamedUserOpt, file string, fn func(io.Reader) error) error {
	data, err := readFile(f.ctx, f.b.opt.Store, f.tree(name.Input), file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fn(bytes.NewReader(data))
}

// maxFile is the size of a file that is read for a value in it, such as /etc/passwd.
const maxFile = 100 << 20

// readFile returns the content of a file, through symbolic links.
func readFile(ctx context.Context, s *tree.Store, n *tree.Node, name string) ([]byte, error) {
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
	if f.Blob().Size > maxFile {
		return nil, fmt.Errorf("/%s is larger than %d MiB", p, maxFile>>20)
	}
	r, err := s.OpenContext(ctx, f.Blob())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
