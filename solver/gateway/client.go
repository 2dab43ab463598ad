package gateway

import (
	"context"
	"fmt"
	"sync"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver"
	"slipway/solver/source"
	"slipway/solver/tree"
)

// Options say what a build has.
type Options struct {
	Build     *solver.Build
	Store     *tree.Store
	Sources   *source.Sources
	Opts      map[string]string         // frontend options
	Inputs    map[string]*pb.Definition // frontend inputs
	Platforms []ocispecs.Platform       // what can run here, this machine's own first; none is that alone
	// Frontends are the frontends that a build may be handed on to, by the image
	// that names them.
	Frontends map[string]client.BuildFunc
	// Warn is told of warnings; nil is fine. Calls do not overlap.
	Warn func(Warning)
}

// Warning is a warning of a frontend.
type Warning struct {
	Vertex  digest.Digest
	Message string
	client.WarnOpts
}

// Client implements [client.Client]. It is used from several goroutines.
type Client struct {
	opt Options

	mu     sync.Mutex
	graphs []*solver.Graph // of what was solved
}

// New returns the gateway of a build.
func New(opt Options) *Client {
	if len(opt.Platforms) == 0 {
		opt.Platforms = []ocispecs.Platform{source.Machine()}
	}
	return &Client{opt: opt}
}

var _ client.Client = (*Client)(nil)

// sessionID is the session of all builds: there is one client, this process.
const sessionID = "local"

// BuildOpts implements [client.Client].
func (c *Client) BuildOpts() client.BuildOpts {
	return client.BuildOpts{
		Opts: c.opt.Opts, SessionID: sessionID, Product: "slipway",
		Workers: []client.WorkerInfo{{ID: "slipway", Platforms: c.opt.Platforms}},
		LLBCaps: pb.Caps.CapSet(pb.Caps.All()),
		Caps:    gwpb.Caps.CapSet(gwpb.Caps.All()),
	}
}

// Inputs implements [client.Client].
func (c *Client) Inputs(context.Context) (map[string]llb.State, error) {
	states := make(map[string]llb.State, len(c.opt.Inputs))
	for name, def := range c.opt.Inputs {
		op, err := llb.NewDefinitionOp(def)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", name, err)
		}
		states[name] = llb.NewState(op)
	}
	return states, nil
}

// Solve implements [client.Client].
func (c *Client) Solve(ctx context.Context, req client.SolveRequest) (*client.Result, error) {
	if req.Frontend != "" {
		return c.handOn(ctx, req)
	}
	g, err := solver.Load(req.Definition)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.graphs = append(c.graphs, g)
	c.mu.Unlock()
	res := client.NewResult()
	r := c.opt.Build.Result(g)
	if r == nil {
		return res, nil
	}
	ref := &Reference{Result: r, store: c.opt.Store, def: req.Definition}
	res.SetRef(ref)
	if req.Evaluate {
		return res, ref.Evaluate(ctx)
	}
	return res, nil
}

// Graphs returns what was solved.
func (c *Client) Graphs() []*solver.Graph {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.graphs
}

// handOn runs another frontend.
func (c *Client) handOn(ctx context.Context, req client.SolveRequest) (*client.Result, error) {
	name := req.Frontend
	if name == "gateway.v0" {
		name = req.FrontendOpt["source"]
	}
	build, ok := c.opt.Frontends[name]
	if !ok {
		return nil, fmt.Errorf("frontend %s cannot run without a BuildKit", name)
	}
	opt := c.opt
	opt.Opts, opt.Inputs = req.FrontendOpt, req.FrontendInputs
	return build(ctx, New(opt))
}

// ResolveImageConfig implements [client.Client].
func (c *Client) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return sourceresolver.NewImageMetaResolver(c).ResolveImageConfig(ctx, ref, opt)
}

// Warn implements [client.Client].
func (c *Client) Warn(_ context.Context, vertex digest.Digest, msg string, opts client.WarnOpts) error {
	if c.opt.Warn != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.opt.Warn(Warning{Vertex: vertex, Message: msg, WarnOpts: opts})
	}
	return nil
}
