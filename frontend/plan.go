package frontend

import (
	"bytes"
	"context"
	"encoding/json"
	"io"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests"

	"slipway/answers"
	"slipway/dockerfile2llb"
	"slipway/internal/inorder"
	"slipway/plan"
)

// RequestPlan and RequestGraph are the names of the subrequests that describe a build. Clients
// forward no format but JSON, so each other format of the graph is a subrequest of its own: a dot
// and the format follow RequestGraph.
const (
	RequestPlan  = "frontend.plan"
	RequestGraph = "frontend.graph"
)

// planVersion is the version of the subrequests that describe a build.
const planVersion = "1.0.0"

// planSubrequests returns the subrequests that describe a build: its steps and, in several
// formats, its graph.
func planSubrequests() []subrequest {
	request := func(name, description string, write func(*answers.Plan, io.Writer) error) subrequest {
		return subrequest{
			subrequests.Request{
				Name: name, Version: planVersion, Type: subrequests.TypeRPC, Description: description,
				Opts:     []subrequests.Named{},
				Metadata: []subrequests.Named{{Name: "result.json"}, {Name: "result.txt"}},
			},
			func(b *build, ctx context.Context) (*client.Result, error) { return b.describePlan(ctx, write) },
		}
	}
	list := []subrequest{request(RequestPlan, "List the steps of a build and what they use", (*answers.Plan).WriteText)}
	for _, f := range answers.Formats() {
		name := RequestGraph
		if f != answers.Tree {
			name += "." + string(f)
		}
		list = append(list, request(name, "Show the graph of a build: "+string(f), func(p *answers.Plan, w io.Writer) error {
			return p.WriteGraph(w, f)
		}))
	}
	return list
}

// describePlan answers a subrequest that describes the build. The result contains the plan as
// JSON, and the text that the callback write produces. Unlike upstream's subrequests, these
// honor the option platform, and their errors have locations.
func (b *build) describePlan(ctx context.Context, write func(*answers.Plan, io.Writer) error) (*client.Result, error) {
	described, err := b.planAll(ctx)
	if err != nil {
		return nil, b.withLocations(err)
	}
	var text bytes.Buffer
	if err := write(described, &text); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(described, "", "  ")
	if err != nil {
		return nil, err
	}
	res := client.NewResult()
	res.AddMeta("result.json", data)
	res.AddMeta("result.txt", text.Bytes())
	res.AddMeta("version", []byte(planVersion))
	return res, nil
}

// planAll plans the build for all platforms and describes it.
func (b *build) planAll(ctx context.Context) (*answers.Plan, error) {
	if err := b.parseBuild(ctx); err != nil {
		return nil, err
	}
	targets := b.targetPlatforms()
	plans := make([]*plan.Plan, len(targets))
	err := inorder.Do(ctx, len(targets), 0, func(ctx context.Context, i int) (err error) {
		plans[i], err = b.plan(ctx, b.optionsFor(targets[i]), i == 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b.describeBuild(ctx, plans)
}

// describeBuild describes a build that consists of one plan for each target platform.
func (b *build) describeBuild(ctx context.Context, plans []*plan.Plan) (*answers.Plan, error) {
	builds := make([]answers.Build, len(plans))
	for i, p := range plans {
		steps := emittedSteps{}
		opt := b.emitOptions()
		opt.Emitted = steps.add
		res, err := dockerfile2llb.Emit(ctx, p, opt)
		if err != nil {
			return nil, err
		}
		def, err := res.Marshal(ctx)
		if err != nil {
			return nil, &marshalError{err}
		}
		operations, err := steps.operations(ctx, res, def)
		if err != nil {
			return nil, err
		}
		builds[i] = answers.Build{Plan: p, Operation: func(st *plan.Stage, v *plan.Visit) answers.Operation {
			return operations[emittedStep{st, v}]
		}}
		if b.callbacks.Predict != nil && b.options.RequestID != nil {
			if builds[i].Prediction, err = b.callbacks.Predict(ctx, b.client, def); err != nil {
				return nil, err
			}
		}
	}
	return answers.New(builds), nil
}
