package dockerfile2llb

import (
	"github.com/moby/buildkit/client/llb"

	"slipway/plan"
)

// mkdir says WORKDIR.
func (e *emitter) mkdir(out llb.Output, s *plan.Mkdir) llb.Output {
	opts := []llb.MkdirOption{llb.WithParents(true)}
	if s.Owner != "" {
		opts = append(opts, llb.WithUser(s.Owner))
	}
	if s.Created != nil {
		opts = append(opts, llb.WithCreatedTime(*s.Created))
	}
	c := append(e.constraints(&s.StepInfo), llb.Platform(s.Platform))
	return llb.NewState(out).File(llb.Mkdir(s.Path, 0o755, opts...), c...).Output()
}
