package builder

import (
	"context"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"

	"slipway/answers"
	"slipway/solver"
	local "slipway/solver/gateway"
)

// mainContext is the name of the local source that is the main context.
const mainContext = "context"

// predict implements [frontend.Builder.Predict] for clients of this process's solver. For the
// client of a daemon, which cannot predict builds, it returns nil.
func predict(ctx context.Context, c gateway.Client, def *pb.Definition) (*answers.Prediction, error) {
	if r, ok := c.(*recorder); ok {
		c = r.Client
	}
	here, ok := c.(*local.Client)
	if !ok {
		return nil, nil
	}
	known, err := here.Predict(ctx, def)
	if err != nil {
		return nil, err
	}
	p := &answers.Prediction{Operations: make(map[string]answers.Predicted, len(known.Vertices))}
	for d, v := range known.Vertices {
		one := answers.Predicted{Cache: cacheOf(v.State), Content: string(v.Content)}
		if v.Err != nil {
			one.Why = v.Err.Error()
		}
		p.Operations[string(d)] = one
	}
	if size, ok := known.Local[mainContext]; ok {
		p.Files, p.Bytes = &size.Files, &size.Bytes
	}
	return p, nil
}

// cacheOf converts the state of a vertex for answers.
func cacheOf(s solver.PredictedState) answers.Cache {
	switch s {
	case solver.PredictedHit:
		return answers.CacheHit
	case solver.PredictedMiss:
		return answers.CacheMiss
	case solver.PredictedAlways:
		return answers.CacheNever
	case solver.PredictedUnknown:
	}
	return answers.CacheUnknown
}
