package gateway

import (
	"context"
	"errors"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	fstypes "github.com/tonistiigi/fsutil/types"

	"slipway/solver"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// Reference implements [client.Reference].
type Reference struct {
	Result *solver.Result
	client *Client
	def    *pb.Definition
}

var _ client.Reference = (*Reference)(nil)

// Requests returns the request for the frontend that solved r, and the request of the client of
// the build. They are nil if the client of the build solved r, or made no request.
func (r *Reference) Requests() (own, root *FrontendRequest) {
	return r.client.opt.Request, r.client.opt.Root
}

// ToState implements [client.Reference].
func (r *Reference) ToState() (llb.State, error) {
	if r == nil || r.def == nil {
		return llb.State{}, errNoResult
	}
	op, err := llb.NewDefinitionOp(r.def)
	if err != nil {
		return llb.State{}, err
	}
	return llb.NewState(op), nil
}

// Definition returns the LLB of the result, or nil for a zero Reference.
func (r *Reference) Definition() *pb.Definition {
	if r == nil {
		return nil
	}
	return r.def
}

// Evaluate implements [client.Reference].
func (r *Reference) Evaluate(ctx context.Context) error {
	_, err := r.snapshot(ctx)
	return err
}

// errNoResult is the error from the methods of a nil or zero Reference. A Client does not
// create such references.
var errNoResult = errors.New("the reference has no result")

func (r *Reference) snapshot(ctx context.Context) (*snapshot.Snapshot, error) {
	if r == nil || r.Result == nil {
		return nil, errNoResult
	}
	s, err := r.Result.Snapshot(ctx)
	if err != nil {
		return nil, r.client.solveError(err)
	}
	return s, nil
}

// find looks up a path in the result and follows symbolic links. It returns the file and
// its path without links. The parameter name is the path. The parameter op is the name of
// the operation to use in errors.
func (r *Reference) find(ctx context.Context, op, name string) (*tree.Node, string, error) {
	s, err := r.snapshot(ctx)
	if err != nil {
		return nil, "", err
	}
	root, err := s.Tree()
	if err != nil {
		return nil, "", r.client.solveError(err)
	}
	at, err := root.Resolve(name, true)
	if err != nil {
		return nil, "", err
	}
	n, err := root.Get(at)
	if err != nil {
		return nil, "", err
	}
	if n == nil {
		return nil, "", notExistError(op, name, root, at)
	}
	return n, at, nil
}

// ReadFile implements [client.Reference].
func (r *Reference) ReadFile(ctx context.Context, req client.ReadRequest) ([]byte, error) {
	n, _, err := r.find(ctx, "open", req.Filename)
	if err != nil {
		return nil, err
	}
	return readRange(r.client.opt.Store, n, req)
}

// StatFile implements [client.Reference].
func (r *Reference) StatFile(ctx context.Context, req client.StatRequest) (*fstypes.Stat, error) {
	n, at, err := r.find(ctx, "lstat", req.Path)
	if err != nil {
		return nil, err
	}
	return stat(base(at), n), nil
}

// ReadDir implements [client.Reference].
func (r *Reference) ReadDir(ctx context.Context, req client.ReadDirRequest) ([]*fstypes.Stat, error) {
	n, _, err := r.find(ctx, "stat", req.Path)
	if err != nil {
		return nil, err
	}
	return readDir(ctx, n, req)
}
