package solver

import (
	"fmt"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/fileop"
	"slipway/solver/tree"
)

// Selected returns the files that p, one part of a cache key, covers, such as the files
// that a COPY selects. The keys of the map are the paths of the files. The parameter op is
// the operation that has the cache key. If the store s no longer contains the files,
// Selected returns an error.
func Selected(s *tree.Store, op *pb.Op, p Part) (map[string]*tree.Node, error) {
	n, err := s.Load(p.Tree)
	if err != nil {
		return nil, err
	}
	switch {
	case p.From < len(op.GetFile().GetActions()) && op.GetFile().Actions[p.From].GetCopy() != nil:
		sel, err := fileop.Select(n, op.GetFile().Actions[p.From].GetCopy())
		if err != nil {
			return nil, err
		}
		return sel.Files()
	case p.From < len(op.GetExec().GetMounts()):
		at, err := n.Resolve(op.GetExec().Mounts[p.From].Selector, true)
		if err != nil {
			return nil, err
		}
		if n, err = n.Get(at); err != nil {
			return nil, err
		}
		files := map[string]*tree.Node{}
		return files, fileop.AddFiles(at, n, files)
	}
	return nil, fmt.Errorf("the operation has no action or mount that selects %s", p.Name)
}
