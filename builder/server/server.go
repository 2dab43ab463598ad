package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"time"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	"github.com/containerd/containerd/v2/defaults"
	controlapi "github.com/moby/buildkit/api/services/control"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"slipway/builder"
	"slipway/builder/state"
	"slipway/solver"
)

// Options configures a [Server].
type Options struct {
	// Build contains the options that all builds have in common: State, Runner, GC, Jobs,
	// Mirrors, Stall, Output, SyntaxImage and Now. Allow lists the entitlements that the server
	// grants to clients that ask for them. Other fields are ignored.
	Build   builder.Options
	Version string    // version of this program, which clients show
	Log     io.Writer // receives messages about the server; may be nil
	// NoHistory keeps no records of builds that have ended.
	NoHistory bool
}

// Server implements BuildKit's control API. Safe for concurrent use.
type Server struct {
	controlapi.UnimplementedControlServer
	opt      Options
	sessions *sessions
	received *receivedDirs
	builds   *builds
	history  *history
	gateways *gateways
	shared   solver.Shared
	produced producers

	log sync.Mutex // held while a message is written to opt.Log
}

// New returns a server. It reads the history of builds in the state directory.
func New(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	sessions, err := newSessions()
	if err != nil {
		return nil, err
	}
	h, err := openHistory(state.History(o.Build.State), o.Build.Now)
	if err != nil {
		return nil, fmt.Errorf("history of builds: %w", err)
	}
	return &Server{
		opt: o, sessions: sessions, history: h,
		received: newReceivedDirs(state.ReceivedDirs(o.Build.State)),
		builds:   newBuilds(), gateways: newGateways(),
	}, nil
}

// errStopped is the error of requests that end because the server stops.
var errStopped = status.Error(codes.Unavailable, "the server is shutting down")

// stopGrace is how long the server waits for its requests to end when it stops, before it closes
// the connections.
const stopGrace = 5 * time.Second

// Serve answers the requests that arrive at the listener, until ctx ends. It then ends all builds
// and returns nil when their processes have ended. The parameter creds secures the connections; if
// it is nil, they are not encrypted. Serve closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener, creds credentials.TransportCredentials) error {
	// The end of ctx must not be the cause of the end of requests, which clients see.
	base, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(errStopped)
	g := s.newGRPC(base, creds)
	served := make(chan error, 1)
	go func() { served <- g.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	stop(errStopped)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		g.GracefulStop()
	}()
	select {
	case <-stopped:
	case <-time.After(stopGrace):
		g.Stop() // waits for the handlers
		<-stopped
	}
	<-served
	return nil
}

// newGRPC returns a gRPC server with all services. Requests end when base ends.
func (s *Server) newGRPC(base context.Context, creds credentials.TransportCredentials) *grpc.Server {
	c := &calls{base: base, server: s}
	opts := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(grpcerrors.UnaryServerInterceptor, c.unary),
		grpc.ChainStreamInterceptor(grpcerrors.StreamServerInterceptor, c.stream),
		grpc.MaxRecvMsgSize(defaults.DefaultMaxRecvMsgSize),
		grpc.MaxSendMsgSize(defaults.DefaultMaxSendMsgSize),
		grpc.WaitForHandlers(true),
	}
	if creds != nil {
		opts = append(opts, grpc.Creds(creds))
	}
	g := grpc.NewServer(opts...)
	controlapi.RegisterControlServer(g, s)
	gwpb.RegisterLLBBridgeServer(g, s.gateways)
	contentapi.RegisterContentServer(g, historyContent{history: s.history})
	grpc_health_v1.RegisterHealthServer(g, health.NewServer())
	registerReflection(g)
	return g
}

// logf writes a message to the log of the server.
func (s *Server) logf(format string, args ...any) {
	s.log.Lock()
	defer s.log.Unlock()
	fmt.Fprintf(s.opt.Log, format+"\n", args...)
}

// calls intercepts the calls of a gRPC server, to end them when the server stops and to recover
// from panics.
type calls struct {
	base   context.Context // ends all calls
	server *Server
}

// join returns a context that ends with ctx or with the server. The caller must call release.
func (c *calls) join(ctx context.Context) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.base, func() { cancel(context.Cause(c.base)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// unary calls the handler of a request with one response.
func (c *calls) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (_ any, err error) {
	ctx, release := c.join(ctx)
	defer release()
	defer c.recovered(info.FullMethod, &err)
	resp, err := handler(ctx, req)
	return resp, ended(ctx, err)
}

// stream calls the handler of a request with a stream of messages.
func (c *calls) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer c.recovered(info.FullMethod, &err)
	if info.FullMethod == controlapi.Control_Status_FullMethodName {
		return handler(srv, stream) // ends with the build, so that the client sees how it ended
	}
	ctx, release := c.join(stream.Context())
	defer release()
	return ended(ctx, handler(srv, joinedStream{stream, ctx}))
}

// ended returns the error of a call. If the call failed after the server had begun to stop,
// ended returns errStopped instead of err.
func ended(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errStopped) {
		return errStopped
	}
	return err
}

// recovered turns a panic of a handler into an error of its request. Callers must call it with
// defer.
func (c *calls) recovered(method string, err *error) {
	if r := recover(); r != nil {
		c.server.logf("%s: panic: %v\n%s", method, r, debug.Stack())
		*err = status.Errorf(codes.Internal, "%s failed because of a bug in the server: %v", method, r)
	}
}

// joinedStream is a gRPC stream whose context is replaced with another context.
type joinedStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context implements [grpc.ServerStream].
func (s joinedStream) Context() context.Context { return s.ctx }
