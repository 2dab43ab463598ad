package dockerfile2llb

import (
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"

	"slipway/plan"
)

// mkdir emits the step of a WORKDIR as a file operation that creates the directory.
func (e *emitter) mkdir(out llb.Output, s *plan.Mkdir) llb.Output {
	f := &file{base: out, actions: make([]action, 1)}
	a := &f.actions[0]
	a.owner = chown(s.Owner)
	a.msg.Action = &pb.FileAction_Mkdir{Mkdir: &pb.FileActionMkDir{
		Path: cleanPath(s.Path), Mode: 0o755, MakeParents: true, Owner: a.owner, Timestamp: timestamp(s.Created),
	}}
	return e.newOp(f, &s.StepInfo)
}
