package server

import (
	"context"
	"sync"

	"github.com/moby/buildkit/client/buildid"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"slipway/solver/gateway/bridge"
)

// gateways forwards the requests of clients that are the frontends of their builds. It implements
// the gRPC service LLBBridge. The metadata of a request contains the reference of its build. Safe
// for concurrent use.
type gateways struct {
	gwpb.UnimplementedLLBBridgeServer
	open *running[*gatewayBuild] // by reference of the build
}

func newGateways() *gateways { return &gateways{open: newRunning[*gatewayBuild]()} }

// gatewayBuild is a build whose frontend is the client.
type gatewayBuild struct {
	user   identity
	bridge *bridge.Bridge
	ctx    context.Context // ends all requests
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool           // no request may start any more
	calls  sync.WaitGroup // requests that are being answered
}

// gatewayFrontend is the frontend of a build whose client is the frontend.
type gatewayFrontend struct {
	gateways *gateways
	ref      string // reference of the build
	user     identity
	inputs   map[string]*pb.Definition

	mu    sync.Mutex
	build *gatewayBuild // nil before the frontend runs
}

// run forwards the requests of the client, until the client returns a result or ctx ends. The client
// can send further requests until the caller calls done.
func (f *gatewayFrontend) run(ctx context.Context, c client.Client) (*client.Result, error) {
	f.mu.Lock()
	if f.build != nil {
		f.mu.Unlock()
		return nil, status.Error(codes.Aborted, "the state directory was damaged and has been repaired (build again)")
	}
	b := &gatewayBuild{user: f.user, bridge: bridge.New(c, f.inputs)}
	b.ctx, b.cancel = context.WithCancel(ctx)
	f.build = b
	f.mu.Unlock()
	f.gateways.open.add(f.ref, b)
	defer b.bridge.Close(context.WithoutCancel(ctx))
	select {
	case <-b.bridge.Done():
		return b.bridge.Result()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// done ends the requests of the client and waits for them.
func (f *gatewayFrontend) done() {
	f.mu.Lock()
	b := f.build
	f.mu.Unlock()
	if b == nil {
		return
	}
	f.gateways.open.remove(f.ref)
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.calls.Wait()
}

// id returns the ID by which the client refers to a reference of its result.
func (f *gatewayFrontend) id(ref client.Reference) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.build.bridge.ID(ref)
}

// start registers a request for a build. It returns the bridge of the build, and a context that
// ends with the request or with the build. The caller must call end after the request.
func (g *gateways) start(ctx context.Context) (_ context.Context, b *bridge.Bridge, end func(), err error) {
	ref := buildid.FromIncomingContext(ctx)
	if ref == "" {
		return nil, nil, nil, status.Error(codes.InvalidArgument, "no buildid found in context: the request names no build")
	}
	build, err := g.open.get(ctx, ref)
	if err != nil {
		return nil, nil, nil, err
	}
	if !build.user.is(identityOf(ctx)) {
		return nil, nil, nil, status.Error(codes.PermissionDenied, "the build belongs to another client")
	}
	build.mu.Lock()
	defer build.mu.Unlock()
	if build.closed {
		return nil, nil, nil, errdefs.NewUnknownJobError(ref)
	}
	build.calls.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(build.ctx, func() { cancel(context.Cause(build.ctx)) })
	return ctx, build.bridge, func() {
		stop()
		cancel(nil)
		build.calls.Done()
	}, nil
}

// forward forwards a request to the bridge of its build.
func forward[Req, Resp any](ctx context.Context, g *gateways, req Req, call func(*bridge.Bridge, context.Context, Req) (Resp, error)) (Resp, error) {
	ctx, b, end, err := g.start(ctx)
	if err != nil {
		var none Resp
		return none, err
	}
	defer end()
	return call(b, ctx, req)
}

// ResolveImageConfig implements [gwpb.LLBBridgeServer].
func (g *gateways) ResolveImageConfig(ctx context.Context, req *gwpb.ResolveImageConfigRequest) (*gwpb.ResolveImageConfigResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).ResolveImageConfig)
}

// ResolveSourceMeta implements [gwpb.LLBBridgeServer].
func (g *gateways) ResolveSourceMeta(ctx context.Context, req *gwpb.ResolveSourceMetaRequest) (*gwpb.ResolveSourceMetaResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).ResolveSourceMeta)
}

// Solve implements [gwpb.LLBBridgeServer].
func (g *gateways) Solve(ctx context.Context, req *gwpb.SolveRequest) (*gwpb.SolveResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).Solve)
}

// ReadFile implements [gwpb.LLBBridgeServer].
func (g *gateways) ReadFile(ctx context.Context, req *gwpb.ReadFileRequest) (*gwpb.ReadFileResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).ReadFile)
}

// ReadDir implements [gwpb.LLBBridgeServer].
func (g *gateways) ReadDir(ctx context.Context, req *gwpb.ReadDirRequest) (*gwpb.ReadDirResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).ReadDir)
}

// StatFile implements [gwpb.LLBBridgeServer].
func (g *gateways) StatFile(ctx context.Context, req *gwpb.StatFileRequest) (*gwpb.StatFileResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).StatFile)
}

// Evaluate implements [gwpb.LLBBridgeServer].
func (g *gateways) Evaluate(ctx context.Context, req *gwpb.EvaluateRequest) (*gwpb.EvaluateResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).Evaluate)
}

// Ping implements [gwpb.LLBBridgeServer].
func (g *gateways) Ping(ctx context.Context, req *gwpb.PingRequest) (*gwpb.PongResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).Ping)
}

// Return implements [gwpb.LLBBridgeServer].
func (g *gateways) Return(ctx context.Context, req *gwpb.ReturnRequest) (*gwpb.ReturnResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).Return)
}

// Inputs implements [gwpb.LLBBridgeServer].
func (g *gateways) Inputs(ctx context.Context, req *gwpb.InputsRequest) (*gwpb.InputsResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).Inputs)
}

// NewContainer implements [gwpb.LLBBridgeServer].
func (g *gateways) NewContainer(ctx context.Context, req *gwpb.NewContainerRequest) (*gwpb.NewContainerResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).NewContainer)
}

// ReleaseContainer implements [gwpb.LLBBridgeServer].
func (g *gateways) ReleaseContainer(ctx context.Context, req *gwpb.ReleaseContainerRequest) (*gwpb.ReleaseContainerResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).ReleaseContainer)
}

// ReadFileContainer implements [gwpb.LLBBridgeServer].
func (g *gateways) ReadFileContainer(ctx context.Context, req *gwpb.ReadFileRequest) (*gwpb.ReadFileResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).ReadFileContainer)
}

// ReadDirContainer implements [gwpb.LLBBridgeServer].
func (g *gateways) ReadDirContainer(ctx context.Context, req *gwpb.ReadDirRequest) (*gwpb.ReadDirResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).ReadDirContainer)
}

// StatFileContainer implements [gwpb.LLBBridgeServer].
func (g *gateways) StatFileContainer(ctx context.Context, req *gwpb.StatFileRequest) (*gwpb.StatFileResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).StatFileContainer)
}

// Warn implements [gwpb.LLBBridgeServer].
func (g *gateways) Warn(ctx context.Context, req *gwpb.WarnRequest) (*gwpb.WarnResponse, error) {
	return forward(ctx, g, req, (*bridge.Bridge).Warn)
}

// ExecProcess implements [gwpb.LLBBridgeServer].
func (g *gateways) ExecProcess(stream gwpb.LLBBridge_ExecProcessServer) error {
	ctx, b, end, err := g.start(stream.Context())
	if err != nil {
		return err
	}
	defer end()
	return b.ExecProcess(execStream{stream, ctx})
}

// execStream is a gRPC stream of ExecProcess whose context is replaced with another context.
type execStream struct {
	gwpb.LLBBridge_ExecProcessServer
	ctx context.Context
}

// Context implements [gwpb.LLBBridge_ExecProcessServer].
func (s execStream) Context() context.Context { return s.ctx }
