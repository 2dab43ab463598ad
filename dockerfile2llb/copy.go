package dockerfile2llb

import (
	"fmt"
	"slices"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/plan"
)

// copy says COPY and ADD: one operation with an action for each source.
func (e *emitter) copy(out llb.Output, s *plan.Copy) (llb.Output, error) {
	var action *llb.FileAction
	for _, src := range s.Sources {
		from, path, info, err := e.copySource(s, src)
		if err != nil {
			return nil, err
		}
		opts := append([]llb.CopyOption{info}, copyOptions(s)...)
		if action == nil {
			action = llb.Copy(from, path, s.Dest, opts...)
		} else {
			action = action.Copy(from, path, s.Dest, opts...)
		}
	}
	base := llb.NewState(out)
	opts := e.constraints(&s.StepInfo)
	// Upstream: with --chmod a linked copy is an ordinary one.
	if !s.Link || s.Chmod != nil || !e.supports(pb.CapMergeOp) {
		return base.File(action, opts...).Output(), nil
	}
	return e.link(base, action, s, opts), nil
}

// link copies into an empty tree and merges that over the base, so that the
// copy stays valid when the base changes. Both are one group for progress.
func (e *emitter) link(base llb.State, action *llb.FileAction, s *plan.Copy, opts []llb.ConstraintsOpt) llb.Output {
	id := groupID(s)
	alone := slices.Concat([]llb.ConstraintsOpt{llb.Platform(s.Platform)}, opts,
		[]llb.ConstraintsOpt{llb.ProgressGroup(id, s.Name, true)})
	merged := slices.Concat(opts,
		[]llb.ConstraintsOpt{llb.ProgressGroup(id, s.Name, false), llb.WithCustomName(s.LinkName)})
	return llb.Merge([]llb.State{base, llb.Scratch().File(action, alone...)}, merged...).Output()
}

// groupID names the progress group of a step. It is made of what tells steps
// of a build apart, so that converting twice gives the same.
func groupID(s *plan.Copy) string {
	key := fmt.Sprintf("%s\x00%d\x00%v", s.Name, s.Range.Start, s.Platform)
	return digest.FromString(key).Encoded()[:25]
}

func copyOptions(s *plan.Copy) []llb.CopyOption {
	var opts []llb.CopyOption
	if s.Chown != "" {
		opts = append(opts, llb.WithUser(s.Chown))
	}
	if len(s.Exclude) > 0 {
		opts = append(opts, llb.WithExcludePatterns(s.Exclude))
	}
	return opts
}
