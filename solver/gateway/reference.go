package gateway

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/patternmatcher"
	fstypes "github.com/tonistiigi/fsutil/types"

	"slipway/solver"
	"slipway/solver/tree"
)

// maxRead is how much of a file a frontend gets at once, in bytes. BuildKit has
// the same limit, as its messages have it, and sends one byte more to those who
// ask for a range, so that they can tell a file that is too large.
const maxRead = 16 << 20

// Reference implements [client.Reference].
type Reference struct {
	Result *solver.Result
	store  *tree.Store
	def    *pb.Definition
}

var _ client.Reference = (*Reference)(nil)

// ToState implements [client.Reference].
func (r *Reference) ToState() (llb.State, error) {
	op, err := llb.NewDefinitionOp(r.def)
	if err != nil {
		return llb.State{}, err
	}
	return llb.NewState(op), nil
}

// Evaluate implements [client.Reference].
func (r *Reference) Evaluate(ctx context.Context) error {
	_, err := r.Result.Snapshot(ctx)
	return err
}

// find returns the node at a path, through symbolic links.
func (r *Reference) find(ctx context.Context, op, name string, last bool) (*tree.Node, error) {
	s, err := r.Result.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	at, err := s.Tree().Resolve(name, last)
	if err != nil {
		return nil, err
	}
	n := s.Tree().Get(at)
	if n == nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return n, nil
}

// ReadFile implements [client.Reference].
func (r *Reference) ReadFile(ctx context.Context, req client.ReadRequest) ([]byte, error) {
	n, err := r.find(ctx, "open", req.Filename, true)
	if err != nil {
		return nil, err
	}
	if n.Kind() != tree.File {
		return nil, &fs.PathError{Op: "read", Path: req.Filename, Err: fmt.Errorf("is a %s", n.Kind())}
	}
	f, err := r.store.Open(n.Blob())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	offset, length := int64(0), int64(maxRead+1)
	if req.Range != nil {
		if req.Range.Offset < 0 || req.Range.Length < 0 {
			return nil, fmt.Errorf("invalid range for %s", req.Filename)
		}
		offset, length = int64(req.Range.Offset), min(length, int64(req.Range.Length))
	}
	data, err := io.ReadAll(io.NewSectionReader(f, offset, length))
	if err == nil && len(data) > maxRead && (req.Range == nil || req.Range.Length > maxRead+1) {
		err = fmt.Errorf("%s exceeds maximum allowed size of %d bytes", req.Filename, maxRead)
	}
	return data, err
}

// StatFile implements [client.Reference].
func (r *Reference) StatFile(ctx context.Context, req client.StatRequest) (*fstypes.Stat, error) {
	n, err := r.find(ctx, "stat", req.Path, true)
	if err != nil {
		return nil, err
	}
	return stat(path.Base(path.Clean("/"+req.Path)), n), nil
}

// ReadDir implements [client.Reference].
func (r *Reference) ReadDir(ctx context.Context, req client.ReadDirRequest) ([]*fstypes.Stat, error) {
	n, err := r.find(ctx, "open", req.Path, true)
	if err != nil {
		return nil, err
	}
	if n.Kind() != tree.Dir {
		return nil, &fs.PathError{Op: "readdir", Path: req.Path, Err: fmt.Errorf("is a %s", n.Kind())}
	}
	var match *patternmatcher.PatternMatcher
	if req.IncludePattern != "" {
		if match, err = patternmatcher.New([]string{req.IncludePattern}); err != nil {
			return nil, err
		}
	}
	var list []*fstypes.Stat
	for _, e := range n.Entries() {
		if match != nil {
			ok, err := match.MatchesOrParentMatches(e.Name)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		}
		list = append(list, stat(e.Name, e.Node))
	}
	return list, nil
}

func stat(name string, n *tree.Node) *fstypes.Stat {
	m := n.Meta()
	st := &fstypes.Stat{
		Path: name, Mode: uint32(tree.FileMode(m.Mode) | n.Kind().FileMode()), Uid: m.UID, Gid: m.GID,
		ModTime: m.ModTime.UnixNano(), Size: n.Blob().Size, Linkname: n.Target(),
		Devmajor: int64(n.Device().Major), Devminor: int64(n.Device().Minor),
	}
	for _, x := range m.Xattrs {
		if st.Xattrs == nil {
			st.Xattrs = map[string][]byte{}
		}
		st.Xattrs[x.Name] = []byte(x.Value)
	}
	return st
}
