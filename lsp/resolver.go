package lsp

import (
	"context"
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/diag"
	"slipway/ignore"
	"slipway/plan"
)

// resolver is a [plan.Resolver] that reads nothing.
type resolver struct{}

// Image returns an image with a layer and an empty config.
func (*resolver) Image(_ context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	p := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	if q.Platform != nil {
		p = *q.Platform
	}
	image := ocispecs.Image{Platform: p}
	image.RootFS.Type = "layers"
	image.RootFS.DiffIDs = []digest.Digest{digest.FromString("")} // without a layer, an image counts as scratch
	config, err := json.Marshal(image)
	if err != nil {
		return nil, err
	}
	return &plan.Resolved{Ref: ref, Config: config}, nil
}

// Context returns nil, because named contexts are unknown.
func (*resolver) Context(context.Context, string, *ocispecs.Platform) (plan.NamedContext, error) {
	return nil, nil
}

// Ignore returns nil, because the context is unknown.
func (*resolver) Ignore(context.Context) (*ignore.Matcher, error) { return nil, nil }

// Time returns nil, because times are unknown.
func (*resolver) Time(context.Context, plan.TimeSource) (*time.Time, error) { return nil, nil }

// mayDefine reports whether the base image of the stage in which d is may set a variable. The
// config of images is unknown.
func (*resolver) mayDefine(p *plan.Plan, d *diag.Diagnostic) bool {
	if p == nil {
		return true
	}
	var in *plan.Stage
	for _, st := range p.Stages {
		if st.Syntax != nil && st.Syntax.From.In.Rng.Start <= d.Range.Start {
			in = st
		}
	}
	for in != nil {
		from, ok := in.Base.(*plan.FromStage)
		if !ok {
			_, scratch := in.Base.(plan.Scratch)
			return !scratch
		}
		in = from.Stage
	}
	return false
}
