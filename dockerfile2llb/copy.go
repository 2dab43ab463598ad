package dockerfile2llb

import (
	"fmt"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/plan"
)

// copy emits a COPY or ADD as one file operation with an action per source. It copies
// into the output of the previous step.
func (e *emitter) copy(out llb.Output, s *plan.Copy) (llb.Output, error) {
	f := &file{base: out, actions: make([]action, len(s.Sources))}
	for i, src := range s.Sources {
		if err := e.copyAction(&f.actions[i], s, src); err != nil {
			return nil, err
		}
	}
	// Upstream: --chmod disables --link.
	if !s.Link || s.Chmod != nil || !e.supports(pb.CapMergeOp) {
		return e.newOp(f, &s.StepInfo), nil
	}
	return e.link(f, s), nil
}

// copyAction fills in the file action a, so that it copies the source src to the destination of
// the step s.
func (e *emitter) copyAction(a *action, s *plan.Copy, src plan.CopySource) error {
	c := &pb.FileActionCopy{
		Dest: cleanDest(s.Dest), Mode: -1, Timestamp: -1, CreateDestPath: true,
		Owner: chown(s.Chown), ExcludePatterns: s.Exclude,
	}
	if s.Chmod != nil {
		c.Mode, c.ModeStr = int32(s.Chmod.Mode), s.Chmod.Symbolic
	}
	var err error
	a.owner = c.Owner
	a.source, err = e.copySource(c, s, src)
	a.msg.Action = &pb.FileAction_Copy{Copy: c}
	return err
}

// link emits a COPY --link. One operation copies into an empty tree, and a second one
// merges the result over the base. The copy therefore remains cached when the base
// changes. Both operations belong to one progress group.
func (e *emitter) link(f *file, s *plan.Copy) llb.Output {
	base := llb.NewState(f.base)
	f.base = nil
	id := groupID(s)
	layer := e.newOp(f, &s.StepInfo)
	layer.progress = &pb.ProgressGroup{Id: id, Name: s.Name, Weak: true}
	opts := append(e.constraints(&s.StepInfo), llb.ProgressGroup(id, s.Name, false), llb.WithCustomName(s.LinkName))
	return llb.Merge([]llb.State{base, llb.NewState(layer)}, opts...).Output()
}

// groupID returns the id of the progress group for the operations of a COPY --link. It is a
// hash of the name, the source position and the platform of the step. No two steps of a
// build have the same name, position and platform. Repeated conversions return the same id.
func groupID(s *plan.Copy) string {
	key := fmt.Sprintf("%s\x00%d\x00%v", s.Name, s.Range.Start, s.Platform)
	return digest.FromString(key).Encoded()[:25]
}
