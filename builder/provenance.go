package builder

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
	"github.com/opencontainers/go-digest"

	"slipway/solver"
	"slipway/solver/export"
	local "slipway/solver/gateway"
	"slipway/solver/llbsource"
	"slipway/solver/provenance"
)

// recordUsage records the usage of the machine during a build, if the provenance or the history of
// builds contains it. Otherwise, it returns nil. It records the usage of the steps of the job, too,
// but not for a history: control groups make steps slower.
func (p *inputs) recordUsage(o *Options, job *solver.Options) *provenance.Usage {
	requests, err := attestRequests(p.opts)
	if err != nil {
		return nil // the build fails
	}
	r, err := provenance.ParseRequest(requests["provenance"])
	if err != nil || !r.Usage && (p.request == nil || !p.request.Record) {
		return nil
	}
	u := provenance.RecordUsage(o.Now)
	if r.Usage {
		job.Measure = u.Measure
	}
	return u
}

// provenance returns the provenance of the result for the platform p, or nothing if there is no
// result. The parameter all contains the platforms of all results.
func (x *attester) provenance(ctx context.Context, attrs map[string]string, p exptypes.Platform, all []exptypes.Platform) ([]export.Attestation, error) {
	r, err := provenance.ParseRequest(attrs)
	if err != nil {
		return nil, err
	}
	ref, _ := x.res.FindRef(p.ID)
	own, ok := ref.(*local.Reference)
	if !ok || own == nil {
		return nil, nil
	}
	c, err := x.capture(ctx, own, p, all)
	if err != nil {
		return nil, err
	}
	if err := c.CheckComplete(r); err != nil {
		return nil, err
	}
	b, err := x.described(own, p)
	if err != nil {
		return nil, err
	}
	var outputs []solver.AvailableOutput
	if !r.Min {
		if outputs, err = x.job.Available(ctx, own.Result); err != nil {
			return nil, err
		}
	}
	return []export.Attestation{{
		Name: r.Filename, PredicateType: r.PredicateType(), InlineOnly: r.InlineOnly,
		Predicate: func(blobs *export.Blobs) ([]byte, error) {
			b.Finished = x.o.Now().UTC()
			if b.Outputs, err = withLayers(outputs, blobs); err != nil {
				return nil, err
			}
			if b.Usage, err = x.usage.Samples(); err != nil {
				return nil, err
			}
			b.StepUsage = x.usage.Steps()
			content, err := c.Predicate(r, b)
			if err != nil {
				return nil, err
			}
			return json.MarshalIndent(content, "", "  ")
		},
	}}, nil
}

// described describes how the result for the platform p was built, except for its outputs.
func (x *attester) described(own *local.Reference, p exptypes.Platform) (b provenance.Build, err error) {
	b = provenance.Build{
		Platform: p.Platform, Machine: llbsource.Machine(), Definition: own.Definition(), Started: x.started.UTC(),
	}
	if b.Env, err = provenance.ReadEnv(x.o.ProvenanceEnvDir); err != nil {
		return b, err
	}
	if request, root := own.Requests(); request != nil {
		b.Request, b.Root = *requestOf(request), requestOf(root)
	}
	if b.Request.Name == dockerfileFrontend {
		b.DockerfileVersion = DockerfileVersion
	}
	b.ID = digest.FromString(x.started.UTC().Format(time.RFC3339Nano) + string(own.Result.Vertex().Digest)).Encoded()[:25]
	return b, nil
}

// requestOf converts a request for a frontend, which may be nil.
func requestOf(r *local.FrontendRequest) *provenance.FrontendRequest {
	if r == nil {
		return nil
	}
	out := &provenance.FrontendRequest{Name: r.Name, Opts: r.Opts, Inputs: map[string]*provenance.FrontendRequest{}}
	for name, in := range r.Inputs {
		out.Inputs[name] = requestOf(in)
	}
	return out
}

// withLayers returns the outputs of operations whose layers all have blobs.
func withLayers(outputs []solver.AvailableOutput, blobs *export.Blobs) (list []provenance.Output, err error) {
	for _, o := range outputs {
		layers, err := blobs.Of(o.Snapshot)
		if err != nil {
			return nil, err
		}
		if len(layers) > 0 {
			list = append(list, provenance.Output{Operation: o.Vertex.Digest, Index: o.Index, Layers: layers})
		}
	}
	return list, nil
}

// capture collects the sources of a result, and of everything that the frontend solved to make
// it, such as the Dockerfile. Results for other platforms and attestations do not belong to it.
func (x *attester) capture(ctx context.Context, own *local.Reference, p exptypes.Platform, all []exptypes.Platform) (*provenance.Capture, error) {
	others := map[digest.Digest]bool{}
	skip := func(ref gateway.Reference) {
		if r, ok := ref.(*local.Reference); ok && r != nil && r.Result != nil {
			others[r.Result.Vertex().Digest] = true
		}
	}
	for _, ref := range x.res.Refs {
		skip(ref)
	}
	for _, list := range x.res.Attestations {
		for _, a := range list {
			skip(a.Ref)
		}
	}
	c := &provenance.Capture{}
	var last *solver.Graph
	for _, g := range x.client.Graphs() {
		v := g.Root.Vertex
		switch {
		case v == nil:
		case v.Digest == own.Result.Vertex().Digest:
			last = g
		case !others[v.Digest]:
			if err := c.AddGraph(ctx, g, x.sources); err != nil {
				return nil, err
			}
		}
	}
	if last != nil {
		if err := c.AddGraph(ctx, last, x.sources); err != nil {
			return nil, err
		}
	}
	for _, i := range x.client.Images() {
		if !foreign(i, x.client.Images(), p, all) {
			c.AddImage(types.ImageSource{Ref: i.Ref, Platform: i.Platform, Digest: i.Digest, Local: i.Layout})
		}
	}
	return c, nil
}

// foreign reports whether the image i was resolved for a result of another platform than p: the
// frontend resolved the name for each platform.
func foreign(i local.ResolvedImage, images []local.ResolvedImage, p exptypes.Platform, all []exptypes.Platform) bool {
	if i.Platform == nil {
		return false
	}
	for _, result := range all {
		if !slices.ContainsFunc(images, func(o local.ResolvedImage) bool {
			return o.Ref == i.Ref && o.Platform != nil && platforms.NewMatcher(result.Platform).Match(*o.Platform)
		}) {
			return false
		}
	}
	return i.Platform.OS != p.Platform.OS || i.Platform.Architecture != p.Platform.Architecture
}
