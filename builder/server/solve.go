package server

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	controlapi "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/moby/buildkit/util/stack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"slipway/builder"
)

// maxRef is the maximum length of the reference of a build, in bytes.
const maxRef = 256

// Solve implements [controlapi.ControlServer]. It performs a build and returns when the build and
// all its outputs are complete.
func (s *Server) Solve(ctx context.Context, req *controlapi.SolveRequest) (*controlapi.SolveResponse, error) {
	if err := s.checkSolve(req); err != nil {
		return nil, err
	}
	req.Internal = req.Internal || s.opt.NoHistory
	chooseBuiltin(req)
	b, err := s.startBuild(req)
	if err != nil {
		return nil, err
	}
	resp, err := s.solve(ctx, req, b)
	err = stack.Enable(err) // as with BuildKit, clients show where an error comes from in debug mode
	if ended := s.endBuild(ctx, req, b, resp, err); ended != nil && err == nil {
		return nil, ended
	}
	return resp, err
}

// checkSolve returns an error for a request that is invalid or asks for something unsupported.
func (s *Server) checkSolve(req *controlapi.SolveRequest) error {
	invalid := func(text string) error { return status.Error(codes.InvalidArgument, "solve: "+text) }
	unsupported := func(text string) error {
		return status.Errorf(codes.Unimplemented, "solve: %s is not supported", text)
	}
	switch {
	case req.Ref == "" || len(req.Ref) > maxRef:
		return invalid("the reference of the build is empty or too long")
	case req.Frontend != "" && len(req.Definition.GetDef()) > 0:
		return invalid("both a frontend and a definition are given")
	case req.ProxyNetwork:
		return unsupported("the proxy network")
	case slices.Contains(slices.Collect(maps.Values(req.FrontendInputs)), nil):
		return invalid("a frontend input has no definition")
	}
	for _, e := range req.Entitlements {
		kind, _, _ := strings.Cut(e, "=")
		if kind != "device" && !slices.Contains(s.opt.Build.Allow, e) {
			return status.Errorf(codes.PermissionDenied, "entitlement %s is not allowed (start the server with --allow-insecure-entitlement %[1]s)", e)
		}
	}
	return nil
}

// chooseBuiltin changes a request for the frontend image dockerfile.v0 to a request for the built-in
// Dockerfile frontend, whose name this is, unless a named context replaces the image. As in BuildKit,
// history and provenance of the build contain the changed request.
func chooseBuiltin(req *controlapi.SolveRequest) {
	const source, builtin = "source", "dockerfile.v0"
	if req.Frontend != "gateway.v0" || req.FrontendAttrs[source] != builtin {
		return
	}
	for k := range req.FrontendAttrs {
		if name := "context:" + builtin; k == name || strings.HasPrefix(k, name+"::") {
			return
		}
	}
	req.Frontend, req.FrontendAttrs = builtin, maps.Clone(req.FrontendAttrs)
	delete(req.FrontendAttrs, source)
}

// startBuild registers a build, so that clients can follow its progress.
func (s *Server) startBuild(req *controlapi.SolveRequest) (*build, error) {
	s.builds.starting.Lock()
	defer s.builds.starting.Unlock()
	if _, ok := s.builds.find(req.Ref); ok {
		return nil, status.Errorf(codes.AlreadyExists, "build %q already exists", req.Ref)
	}
	b := &build{record: &controlapi.BuildHistoryRecord{
		Ref: req.Ref, Frontend: req.Frontend, FrontendAttrs: req.FrontendAttrs, Exporters: exportersOf(req),
		CreatedAt: timestamppb.New(s.history.now()),
	}}
	file, err := s.history.start(b.record, req.Internal)
	if err != nil {
		return nil, err
	}
	if b.status, err = createStatusLog(file); err != nil {
		return nil, errors.Join(err, s.history.cancel(b.record))
	}
	s.builds.running.add(req.Ref, b)
	return b, nil
}

// endBuild ends the progress of a build and records the build in the history, unless the client
// does not want a record. The parameters resp and failed are the results of the build.
func (s *Server) endBuild(ctx context.Context, req *controlapi.SolveRequest, b *build, resp *controlapi.SolveResponse, failed error) error {
	err := b.status.end()
	if !req.Internal {
		r, failedRecord := s.finished(ctx, b, resp, failed)
		err = errors.Join(err, failedRecord, s.history.end(r))
	}
	s.builds.end(b)
	if req.Internal {
		err = errors.Join(err, s.history.cancel(b.record))
	}
	return err
}

// solve performs the build that a request describes.
func (s *Server) solve(ctx context.Context, req *controlapi.SolveRequest, b *build) (_ *controlapi.SolveResponse, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := s.newClient(ctx, req.Session)
	defer func() {
		if closed := c.close(); closed != nil && err == nil {
			err = closed
		}
	}()
	o := s.opt.Build
	o.Shared, o.Producers, o.Status, o.Log = &s.shared, s.produced.of(c.user), b.status.add, prefixLog{s, req.Ref}
	o.Allow = req.Entitlements
	o.CacheFrom, o.CacheTo = cachesOf(req.Cache)
	o.CacheFrom = addFrontendCaches(o.CacheFrom, req.FrontendAttrs)
	if o.Outputs, err = outputsOf(exportersOf(req), 0, req.FrontendAttrs, c); err != nil {
		return nil, err
	}
	res, err := builder.BuildRequest(ctx, o, s.requestOf(req, c))
	if err != nil {
		return nil, err
	}
	b.images, b.provenance = imagesOf(res), res.Provenance
	resp := responseOf(res)
	if req.EnableSessionExporter {
		if err := c.finalizeExport(ctx, resp); err != nil {
			return nil, err
		}
	}
	return &controlapi.SolveResponse{ExporterResponse: resp}, nil
}

// requestOf returns the build that a request of the client c describes. A frontend, a definition or,
// if the request contains neither, the client produces the result.
func (s *Server) requestOf(req *controlapi.SolveRequest, c *buildClient) *builder.Request {
	r := &builder.Request{
		Client: c, Session: req.Session, Frontend: req.Frontend, FrontendOpts: maps.Clone(req.FrontendAttrs), FrontendInputs: req.FrontendInputs,
		Record: !req.Internal,
	}
	if req.SourcePolicy != nil {
		r.Policies = []*spb.Policy{req.SourcePolicy}
	}
	if req.SourcePolicySession != "" {
		r.Verify = c.verifier(req.SourcePolicySession)
	}
	id := func(gateway.Reference) string { return "" }
	if req.Frontend == "" && req.Definition == nil {
		f := &gatewayFrontend{gateways: s.gateways, ref: req.Ref, user: c.user, inputs: req.FrontendInputs}
		r.Build, r.Done, id = f.run, f.done, f.id
	} else {
		r.Build = func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
			return c.Solve(ctx, gateway.SolveRequest{
				Definition: req.Definition, Frontend: req.Frontend, FrontendOpt: req.FrontendAttrs, FrontendInputs: req.FrontendInputs,
			})
		}
	}
	if req.EnableSessionExporter {
		r.Outputs = func(ctx context.Context, res *gateway.Result) ([]builder.Output, error) {
			list, err := c.findExporters(ctx, res, id)
			if err != nil {
				return nil, err
			}
			return outputsOf(list, len(exportersOf(req)), req.FrontendAttrs, c)
		}
	}
	return r
}

// imagesOf returns the descriptors of the images of a build for its record.
func imagesOf(res *builder.Result) *controlapi.BuildResultInfo {
	info := &controlapi.BuildResultInfo{Results: map[int64]*controlapi.Descriptor{}}
	for _, i := range slices.Sorted(maps.Keys(res.Images)) {
		d := res.Images[i]
		info.Results[int64(i)] = &controlapi.Descriptor{
			MediaType: string(d.MediaType), Digest: d.Digest.String(), Size: d.Size, Annotations: d.Annotations,
		}
		if info.ResultDeprecated == nil {
			info.ResultDeprecated = info.Results[int64(i)]
		}
	}
	return info
}

// responseOf returns the response for a build: digests and names of its outputs, and the metadata
// that the frontend has for the client.
func responseOf(res *builder.Result) map[string]string {
	resp := map[string]string{}
	maps.Copy(resp, res.Exported)
	for k, v := range res.Metadata {
		if strings.HasPrefix(k, "frontend.") {
			resp[k] = string(v)
		}
	}
	return resp
}

// prefixLog is a writer that writes messages of a build to the log of the server.
type prefixLog struct {
	server *Server
	ref    string
}

// Write implements [io.Writer].
func (l prefixLog) Write(p []byte) (int, error) {
	l.server.logf("build %q: %s", l.ref, strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
