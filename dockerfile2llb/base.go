package dockerfile2llb

import (
	"context"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/plan"
)

// base returns the output from which a stage starts, or nil for scratch.
func (e *emitter) base(st *plan.Stage) (llb.Output, error) {
	switch b := st.Base.(type) {
	case *plan.FromStage:
		return e.results[b.Stage], nil
	case *plan.FromImage:
		return e.image(st, b), nil
	case *plan.FromContext:
		s, err := e.opt.Inputs.State(e.ctx, b.Input, st.Used)
		return s.Output(), err
	case plan.Scratch:
	}
	return nil, nil
}

// image is the source operation that pulls an image.
type image struct {
	msg      pb.SourceOp
	kind     pb.Op_Source
	platform ocispecs.Platform
}

// image emits the source operation that pulls the base image of a stage.
func (e *emitter) image(st *plan.Stage, b *plan.FromImage) llb.Output {
	img := &image{platform: b.Platform}
	img.msg.Identifier = "docker-image://" + b.Ref
	if mode := e.plan.Options.ResolveMode; mode == "pull" || mode == "local" {
		img.msg.Attrs = map[string]string{pb.AttrImageResolveMode: mode}
	}
	o := e.newOp(img, &plan.StepInfo{Name: st.BaseStep.Name, Range: st.BaseStep.Range})
	o.description[commandKey] = st.BaseStep.Description
	o.platform = &img.platform
	return o
}

// Inputs implements body. A source has no inputs.
func (*image) Inputs() []llb.Output { return nil }

func (*image) index() int64 { return 0 }

func (i *image) write(_ context.Context, _ *llb.Constraints, to *message) error {
	to.require(pb.CapSourceImage)
	if i.msg.Attrs[pb.AttrImageResolveMode] == "pull" {
		to.require(pb.CapSourceImageResolveMode) // other modes need no capability
	}
	to.Platform = platformMessage(&i.platform)
	i.kind.Source = &i.msg
	to.Op.Op = &i.kind
	return nil
}
