package solver

import (
	"fmt"
	"path"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/tree"
)

// Selected returns the files that a part of an operation's key is the digest of,
// by path. The tree that they are of has to be in the store still.
func Selected(s *tree.Store, op *pb.Op, p Part) (map[string]*tree.Node, error) {
	n, err := s.Load(p.Tree)
	if err != nil {
		return nil, err
	}
	files := map[string]*tree.Node{}
	switch {
	case p.From < len(op.GetFile().GetActions()) && op.GetFile().Actions[p.From].GetCopy() != nil:
		sel, err := newSelection(n, op.GetFile().Actions[p.From].GetCopy())
		if err != nil {
			return nil, err
		}
		for _, p := range sel.picks {
			p.list(files)
		}
	case p.From < len(op.GetExec().GetMounts()):
		at, err := n.Resolve(op.GetExec().Mounts[p.From].Selector, true)
		if err != nil {
			return nil, err
		}
		listAll(at, n.Get(at), files)
	default:
		return nil, fmt.Errorf("the operation has nothing that selects %s", p.Name)
	}
	return files, nil
}

func (p *picked) list(files map[string]*tree.Node) {
	if p.whole {
		listAll(p.path, p.node, files)
		return
	}
	files[p.path] = p.node
	for _, e := range p.entries {
		e.list(files)
	}
}

func listAll(at string, n *tree.Node, files map[string]*tree.Node) {
	if n == nil {
		return
	}
	files[at] = n
	if n.Kind() == tree.Dir {
		for _, e := range n.Entries() {
			listAll(path.Join(at, e.Name), e.Node, files)
		}
	}
}
