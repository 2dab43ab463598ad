package frontend

import (
	"context"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests/outline"
)

// outline answers the subrequest outline with the build arguments, secrets and SSH agents
// that the target uses. It resolves images, because ONBUILD triggers in images may also
// use arguments, secrets and agents.
func (b *build) outline(ctx context.Context) (*client.Result, error) {
	res, err := b.convertImplicit(ctx)
	if err != nil {
		return nil, err
	}
	list := res.Plan.Outline()
	stage := res.Plan.Target.Syntax
	out := outline.Outline{Name: stage.Name, Description: stage.Doc, Sources: [][]byte{b.file.Source.Bytes}}
	for _, a := range list.Args {
		out.Args = append(out.Args, outline.Arg{
			Name: a.Name, Description: a.Doc, Value: a.Value, Location: location(a.Range),
		})
	}
	for _, s := range list.Secrets {
		out.Secrets = append(out.Secrets, outline.Secret{Name: s.ID, Required: s.Required, Location: location(s.Range)})
	}
	for _, s := range list.SSH {
		out.SSH = append(out.SSH, outline.SSH{Name: s.ID, Required: s.Required, Location: location(s.Range)})
	}
	return out.ToResult()
}
