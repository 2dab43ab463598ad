// Package fakegateway implements a fake builder for tests: a gateway client that answers
// requests from memory, records them, and returns errors that a test chooses. It does not solve
// definitions. Tests with a real builder are in the directory integration.
package fakegateway

import (
	"context"
	"os"
	"slices"
	"sync"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	capspb "github.com/moby/buildkit/util/apicaps/pb"
	"github.com/opencontainers/go-digest"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Config is the image config that all images have by default.
const Config = `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["sha256:x"]}}`

// maxMessage is the maximum size in bytes of a gateway message, as in BuildKit.
const maxMessage = 16 << 20

// Client is a fake builder. All sources have the same files, and all images the same config.
// The methods that it does not implement panic. Safe for concurrent use.
type Client struct {
	client.Client
	Opts       map[string]string
	Files      map[string]string
	States     map[string]llb.State // frontend inputs by name
	Size       int64                // size in bytes that StatFile returns for every file
	Config     string               // config of every image; "" for [Config]
	MissingCap apicaps.CapID        // LLB capability that the builder does not support; "" for none
	// Policy is called for each metadata request with the identifier of the source. If Policy
	// returns an error, the request fails with this error. If Policy is nil, all sources are
	// permitted. It must be safe for concurrent use.
	Policy func(identifier string) error
	// Before is called before each gateway call with the name of the call. If Before returns an
	// error, the gateway call fails with this error. If Before is nil, no call fails. It must be
	// safe for concurrent use.
	Before func(ctx context.Context, call string) error

	mu      sync.Mutex
	calls   []string
	solved  []client.SolveRequest
	lookups []sourceresolver.Opt
}

// New returns a builder whose sources contain a file Dockerfile with the given content. The
// parameter opts contains the frontend options.
func New(dockerfile string, opts map[string]string) *Client {
	return &Client{Files: map[string]string{"Dockerfile": dockerfile}, Opts: opts}
}

// Calls returns the names of all calls received so far, in order.
func (c *Client) Calls() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.calls...)
}

// SolveRequests returns the solve requests received so far, in order.
func (c *Client) SolveRequests() []client.SolveRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]client.SolveRequest(nil), c.solved...)
}

// MetadataOptions returns the options of the metadata requests received so far, in order.
func (c *Client) MetadataOptions() []sourceresolver.Opt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]sourceresolver.Opt(nil), c.lookups...)
}

// Warnings returns the number of warnings received so far.
func (c *Client) Warnings() int {
	n := 0
	for _, call := range c.Calls() {
		if call == "Warn" {
			n++
		}
	}
	return n
}

func (c *Client) begin(ctx context.Context, call string) error {
	c.mu.Lock()
	c.calls = append(c.calls, call)
	c.mu.Unlock()
	if c.Before == nil {
		return nil
	}
	return c.Before(ctx, call)
}

// BuildOpts returns the frontend options and all capabilities except [Client].MissingCap.
func (c *Client) BuildOpts() client.BuildOpts {
	caps := slices.DeleteFunc(pb.Caps.All(), func(p *capspb.APICap) bool { return p.ID == string(c.MissingCap) })
	return client.BuildOpts{
		Opts: c.Opts, SessionID: "session",
		Caps: gwpb.Caps.CapSet(gwpb.Caps.All()), LLBCaps: pb.Caps.CapSet(caps),
	}
}

// Inputs returns [Client].States as the inputs of the frontend.
func (c *Client) Inputs(ctx context.Context) (map[string]llb.State, error) {
	return c.States, c.begin(ctx, "Inputs")
}

// Solve records the request. It returns a reference to the files of the client, and solves
// nothing.
func (c *Client) Solve(ctx context.Context, req client.SolveRequest) (*client.Result, error) {
	if err := c.begin(ctx, "Solve"); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.solved = append(c.solved, req)
	c.mu.Unlock()
	res := client.NewResult()
	res.SetRef(&reference{c: c, request: req})
	return res, nil
}

// ResolveSourceMetadata records the options of the request. It returns the image config that
// all images have.
func (c *Client) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	if err := c.begin(ctx, "ResolveSourceMetadata"); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.lookups = append(c.lookups, opt)
	c.mu.Unlock()
	if c.Policy != nil {
		if err := c.Policy(op.Identifier); err != nil {
			return nil, err
		}
	}
	config := c.Config
	if config == "" {
		config = Config
	}
	return &sourceresolver.MetaResponse{Op: op, Image: &sourceresolver.ResolveImageResponse{Config: []byte(config)}}, nil
}

// Warn counts the warning and ignores its content.
func (c *Client) Warn(ctx context.Context, _ digest.Digest, _ string, _ client.WarnOpts) error {
	return c.begin(ctx, "Warn")
}

// reference is the client's result of a solve request.
type reference struct {
	client.Reference
	request client.SolveRequest
	c       *Client
}

// Request returns the solve request whose result is ref.
func Request(ref client.Reference) client.SolveRequest { return ref.(*reference).request }

// ReadFile returns the content of a file in [Client].Files. If [Client].Size exceeds the maximum
// size of a message, it returns an error.
func (r *reference) ReadFile(ctx context.Context, req client.ReadRequest) ([]byte, error) {
	if err := r.c.begin(ctx, "ReadFile"); err != nil {
		return nil, err
	}
	if r.c.Size > maxMessage {
		return nil, status.Error(codes.ResourceExhausted, "trying to send message larger than max")
	}
	s, ok := r.c.Files[req.Filename]
	if !ok {
		return nil, os.ErrNotExist
	}
	return []byte(s), nil
}

// StatFile returns the metadata of a file with the size [Client].Size. It succeeds for any path.
func (r *reference) StatFile(ctx context.Context, req client.StatRequest) (*fstypes.Stat, error) {
	if err := r.c.begin(ctx, "StatFile"); err != nil {
		return nil, err
	}
	return &fstypes.Stat{Path: req.Path, Size: r.c.Size}, nil
}
