// Package bridge serves BuildKit's gateway API, the gRPC service LLBBridge, to a frontend that
// runs as a program of its own, such as the entrypoint of a frontend image.
//
// The requests of the frontend become calls of a [client.Client]. The frontend refers to its
// references and containers by IDs that are valid only for its own [Bridge].
package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/containerd/containerd/v2/defaults"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// Bridge implements the gRPC service LLBBridge for one frontend. Safe for concurrent use.
type Bridge struct {
	gwpb.UnimplementedLLBBridgeServer
	client client.Client
	inputs map[string]*pb.Definition

	mu         sync.Mutex
	refs       map[string]client.Reference // by ID
	containers map[string]client.Container // by ID, which the frontend chooses
	closed     bool
	returned   bool           // whether the frontend has returned result or err
	done       chan struct{}  // closed when the frontend has returned
	result     *client.Result // returned by the frontend
	err        error          // returned by the frontend
}

// New returns a bridge that forwards the requests of a frontend to the client c. The parameter
// inputs contains the frontend inputs by name.
func New(c client.Client, inputs map[string]*pb.Definition) *Bridge {
	return &Bridge{client: c, inputs: inputs, refs: map[string]client.Reference{}, containers: map[string]client.Container{}, done: make(chan struct{})}
}

// Done returns a channel that is closed when the frontend has returned a result or an error.
func (b *Bridge) Done() <-chan struct{} { return b.done }

// maxStreams is the maximum number of requests of a frontend that are answered
// concurrently. Each can be up to [defaults.DefaultMaxRecvMsgSize] bytes long.
const maxStreams = 250

// Serve answers the requests that arrive on a connection, until the frontend closes the
// connection or ctx ends. It then closes the connection and waits for the requests that are
// being answered.
func (b *Bridge) Serve(ctx context.Context, conn net.Conn) {
	server := grpc.NewServer(
		grpc.UnaryInterceptor(grpcerrors.UnaryServerInterceptor),
		grpc.StreamInterceptor(grpcerrors.StreamServerInterceptor),
		grpc.MaxRecvMsgSize(defaults.DefaultMaxRecvMsgSize),
		grpc.MaxSendMsgSize(defaults.DefaultMaxSendMsgSize),
		grpc.MaxConcurrentStreams(maxStreams),
	)
	gwpb.RegisterLLBBridgeServer(server, b)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	l := newListener(conn)
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	_ = server.Serve(l) // its error is that the listener is closed
	server.Stop()       // waits for the handlers
}

// Result returns the result or the error that the frontend has returned. If the frontend has
// returned neither, the error is [ErrIncomplete].
func (b *Bridge) Result() (*client.Result, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.returned {
		return nil, ErrIncomplete
	}
	return b.result, b.err
}

// ErrIncomplete is the error for a frontend that ends without a result.
var ErrIncomplete = errors.New("no result for incomplete build")

// Close ends all containers of the frontend. Later requests to create a container fail. Close
// does not return the errors of processes in the containers, because the frontend has received
// them.
func (b *Bridge) Close(ctx context.Context) {
	b.mu.Lock()
	list := slices.Collect(maps.Values(b.containers))
	clear(b.containers)
	b.closed = true
	b.mu.Unlock()
	for _, c := range list {
		_ = c.Release(ctx)
	}
}

// addRef assigns an ID to a reference. It returns the ID and the LLB definition of the
// reference. The ID of a nil reference is "".
func (b *Bridge) addRef(ref client.Reference) *gwpb.Ref {
	if ref == nil {
		return &gwpb.Ref{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := &gwpb.Ref{Id: fmt.Sprintf("ref-%d", len(b.refs))}
	b.refs[out.Id] = ref
	if d, ok := ref.(interface{ Definition() *pb.Definition }); ok {
		out.Def = d.Definition()
	}
	return out
}

// ID returns the ID of a reference. If the frontend does not know the reference, it gets a new ID.
func (b *Bridge) ID(ref client.Reference) string {
	b.mu.Lock()
	for id, r := range b.refs {
		if r == ref {
			b.mu.Unlock()
			return id
		}
	}
	b.mu.Unlock()
	return b.addRef(ref).Id
}

// ref returns the reference to which addRef assigned the given ID. If the ID is unknown, it
// returns an error.
func (b *Bridge) ref(id string) (client.Reference, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ref, ok := b.refs[id]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "no such ref: %s", id)
	}
	return ref, nil
}

// refOrNil is like ref, but returns nil for the ID "".
func (b *Bridge) refOrNil(id string) (client.Reference, error) {
	if id == "" {
		return nil, nil
	}
	return b.ref(id)
}

// Ping implements [gwpb.LLBBridgeServer].
func (b *Bridge) Ping(context.Context, *gwpb.PingRequest) (*gwpb.PongResponse, error) {
	res := &gwpb.PongResponse{FrontendAPICaps: gwpb.Caps.All(), LLBCaps: pb.Caps.All()}
	for _, w := range b.client.BuildOpts().Workers {
		res.Workers = append(res.Workers, workerRecord(w))
	}
	return res, nil
}

// Inputs implements [gwpb.LLBBridgeServer].
func (b *Bridge) Inputs(context.Context, *gwpb.InputsRequest) (*gwpb.InputsResponse, error) {
	return &gwpb.InputsResponse{Definitions: b.inputs}, nil
}
