package dockerfile2llb

import (
	"github.com/moby/buildkit/client/llb"

	"slipway/plan"
)

// base returns what a stage starts from; nil is scratch.
func (e *emitter) base(st *plan.Stage) (llb.Output, error) {
	switch b := st.Base.(type) {
	case *plan.FromStage:
		return e.results[b.Stage], nil
	case *plan.FromImage:
		return e.image(st, b), nil
	case *plan.FromContext:
		s, err := e.opt.Inputs.State(e.ctx, b.Input, st.Used)
		return s.Output(), err
	}
	return nil, nil
}

func (e *emitter) image(st *plan.Stage, b *plan.FromImage) llb.Output {
	opts := []llb.ImageOption{
		describe(st.BaseStep.Description),
		llb.Platform(b.Platform),
		llb.WithCustomName(st.BaseStep.Name),
		e.location(st.BaseStep.Range),
	}
	switch e.plan.Options.ResolveMode {
	case "pull":
		opts = append(opts, llb.ResolveModeForcePull)
	case "local":
		opts = append(opts, llb.ResolveModePreferLocal)
	}
	return llb.Image(b.Ref, opts...).Output()
}
