package frontend

import (
	"context"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests/targets"
)

// targets answers the subrequest targets with the list of stages, as written in the
// Dockerfile. It expands no variables and resolves no images.
func (b *build) targets(ctx context.Context) (*client.Result, error) {
	if err := b.parseFile(ctx); err != nil {
		return nil, err
	}
	list := targets.List{Sources: [][]byte{b.file.Source.Bytes}}
	for i, st := range b.dockerfile.Stages {
		list.Targets = append(list.Targets, targets.Target{
			Name:        st.Name,
			Default:     i == len(b.dockerfile.Stages)-1,
			Description: st.Doc,
			Base:        st.From.Base.Value,
			Platform:    st.From.Platform.Value,
			Location:    location(st.From.In.Rng),
		})
	}
	return list.ToResult()
}
