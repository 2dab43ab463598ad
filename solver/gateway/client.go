package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver"
	"slipway/solver/llbsource"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// Options configures a Client.
type Options struct {
	Build     *solver.Job
	Store     *tree.Store
	Sources   *llbsource.Sources
	Opts      map[string]string         // frontend options
	Inputs    map[string]*pb.Definition // frontend inputs
	Platforms []ocispecs.Platform       // platforms that RUN steps can use, the native one first; empty means only the native one
	// Frontends are the frontends to which a frontend can forward the build, by name or
	// image reference.
	Frontends map[string]client.BuildFunc
	// NamedContext returns the LLB state and the image config of the named context that
	// replaces a frontend image. The parameter c is the client of the frontend. If no named
	// context replaces the image, the state is nil. NamedContext may be nil.
	NamedContext func(ctx context.Context, c client.Client, image string) (*llb.State, []byte, error)
	// Request is the request to which the frontend responds. It is nil if the client of the
	// build acts as the frontend.
	Request *FrontendRequest
	// Root is the request of the client of the build. Its field Inputs is ignored. Root may be nil.
	Root *FrontendRequest
	// Producers records which requests made which results, for builds that use a result as an
	// input. If it is nil, only requests of this build can know the origin of their inputs.
	Producers *Producers
	// Policies are source policies that apply to all requests of the frontend, before the
	// policies in the request.
	Policies []*spb.Policy
	// Verify decides after the policies about each source. It may be nil.
	Verify Verifier
	// Session is the ID of the client session of the build. If it is "", this process is the
	// only client.
	Session string
	// Warn is called with each warning. Calls do not overlap. It may be nil.
	Warn func(Warning)
	// Loaded is called with each graph before the graph is evaluated. It may be nil.
	Loaded func(*solver.Graph)
	// ImportCaches imports the caches in a request of the frontend. If it is nil, they are ignored,
	// because they affect only the speed of a build.
	ImportCaches func(context.Context, []client.CacheOptionsEntry) error
	// Step calls work and shows it to the user as a step with the given name. Steps with
	// equal ids are the same step. If Step is nil, work is not shown.
	Step func(ctx context.Context, id, name string, work func(context.Context) error) error
}

// Warning is a warning that a frontend reported about a vertex or the Dockerfile.
type Warning struct {
	Vertex  digest.Digest
	Message string
	client.WarnOpts
}

// Client implements [client.Client]. Safe for concurrent use.
type Client struct {
	opt Options
	*shared
	forwards int // number of frontends that have forwarded the build
}

// shared is the state that all clients of one build share. If a frontend forwards the build
// to another frontend, the other frontend gets a client of its own.
type shared struct {
	mu     sync.Mutex
	graphs []*solver.Graph // graphs of the definitions solved so far
	images []ResolvedImage
	// results are the snapshots to which errors refer, by ID.
	results map[string]*snapshot.Snapshot
	// produced are functions that remove the records of this build from Options.Producers.
	produced []func()
}

// New returns a client for the frontend of one build.
func New(opt Options) *Client {
	if len(opt.Platforms) == 0 {
		opt.Platforms = []ocispecs.Platform{llbsource.Machine()}
	}
	if opt.Step == nil {
		opt.Step = func(ctx context.Context, _, _ string, work func(context.Context) error) error { return work(ctx) }
	}
	if opt.Producers == nil {
		opt.Producers = &Producers{}
	}
	if opt.Root != nil {
		root := *opt.Root
		root.Inputs = opt.Producers.of(opt.Inputs)
		opt.Root = &root
	}
	return &Client{opt: opt, shared: &shared{}}
}

// Close removes the records of the build from [Options.Producers]. Call it when the build has ended.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, remove := range c.produced {
		remove()
	}
	c.produced = nil
}

var _ client.Client = (*Client)(nil)

// sessionID identifies the client session of a build if this process is the only client.
const sessionID = "local"

// BuildOpts implements [client.Client].
func (c *Client) BuildOpts() client.BuildOpts {
	return client.BuildOpts{
		Opts: c.opt.Opts, SessionID: cmp.Or(c.opt.Session, sessionID), Product: "slipway",
		Workers: []client.WorkerInfo{{ID: "slipway", Platforms: c.opt.Platforms}},
		LLBCaps: pb.Caps.CapSet(pb.Caps.All()),
		Caps:    gwpb.Caps.CapSet(gwpb.Caps.All()),
	}
}

// Inputs implements [client.Client].
func (c *Client) Inputs(context.Context) (map[string]llb.State, error) {
	states := make(map[string]llb.State, len(c.opt.Inputs))
	for name, def := range c.opt.Inputs {
		if def == nil {
			return nil, fmt.Errorf("input %s: invalid nil definition", name)
		}
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
	req = req.Clone()
	var res *client.Result
	var err error
	switch {
	case req.Frontend == "":
		res, err = c.load(ctx, req)
	case len(req.Definition.GetDef()) > 0:
		return nil, errors.New("cannot solve with both Definition and Frontend specified")
	default:
		res, err = c.forward(ctx, req)
	}
	if err != nil || !req.Evaluate {
		return res, err
	}
	return res, res.EachRef(func(ref client.Reference) error { return ref.Evaluate(ctx) })
}

// load loads the definition from a request and returns a reference to its result. It does
// not evaluate the result.
func (c *Client) load(ctx context.Context, req client.SolveRequest) (*client.Result, error) {
	p, err := c.policy(req.SourcePolicies)
	if err != nil {
		return nil, fmt.Errorf("failed to load LLB: %w", err)
	}
	def, err := p.definition(ctx, req.Definition)
	if err != nil {
		return nil, fmt.Errorf("failed to load LLB: %w", err)
	}
	g, err := solver.Load(def)
	if err != nil {
		return nil, err
	}
	c.record(g, req.Definition)
	if err := c.opt.Build.ResetCacheMounts(g); err != nil {
		return nil, err
	}
	if c.opt.Loaded != nil {
		c.opt.Loaded(g)
	}
	if len(req.CacheImports) > 0 && c.opt.ImportCaches != nil {
		if err := c.opt.ImportCaches(ctx, req.CacheImports); err != nil {
			return nil, err
		}
	}
	res := client.NewResult()
	if r := c.opt.Build.Result(g); r != nil {
		res.SetRef(&Reference{Result: r, client: c, def: req.Definition})
	}
	return res, nil
}

// record records a graph that the frontend solves, and the request to which the frontend responds.
// The graph comes from the definition def.
func (c *Client) record(g *solver.Graph, def *pb.Definition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.graphs = append(c.graphs, g)
	if r := c.opt.Request; r != nil {
		c.produced = append(c.produced, c.opt.Producers.add(def, r))
	}
}

// Graphs returns the graphs of all definitions solved so far, in the order of the requests.
func (c *Client) Graphs() []*solver.Graph {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.graphs
}

// forward calls another frontend with the options and inputs of a request.
func (c *Client) forward(ctx context.Context, req client.SolveRequest) (*client.Result, error) {
	fe := errdefs.Frontend{Name: req.Frontend, Source: req.FrontendOpt["source"]}
	name := req.Frontend
	if name == "gateway.v0" {
		name = fe.Source
	}
	opt := c.opt
	opt.Opts, opt.Inputs = req.FrontendOpt, req.FrontendInputs
	if opt.Opts == nil {
		opt.Opts = map[string]string{}
	}
	opt.Request = &FrontendRequest{Name: req.Frontend, Opts: opt.Opts, Inputs: opt.Producers.of(opt.Inputs)}
	if opt.Root.isEmpty() {
		opt.Root = c.opt.Request
	}
	next := &Client{opt: opt, shared: c.shared, forwards: c.forwards + 1}
	var res *client.Result
	var err error
	switch build, ok := c.opt.Frontends[name]; {
	case ok:
		res, err = build(ctx, next)
	case req.Frontend == "gateway.v0":
		res, err = next.runImage(ctx, fe.Source)
	default:
		err = fmt.Errorf("unknown frontend %s (use gateway.v0%s)", req.Frontend, c.supportedFrontends())
	}
	if err != nil {
		return nil, fe.WrapError(err)
	}
	if res == nil {
		res = client.NewResult()
	}
	return res, nil
}

// supportedFrontends returns the end of an error message, such as ", NAME, NAME". It lists
// the frontends to which a build can be forwarded. If no frontend is configured, it returns
// "".
func (c *Client) supportedFrontends() string {
	if len(c.opt.Frontends) == 0 {
		return ""
	}
	return ", " + strings.Join(slices.Sorted(maps.Keys(c.opt.Frontends)), ", ")
}

// ResolveImageConfig implements [client.Client].
func (c *Client) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return sourceresolver.NewImageMetaResolver(c).ResolveImageConfig(ctx, ref, opt)
}

// Warn implements [client.Client].
func (c *Client) Warn(_ context.Context, vertex digest.Digest, msg string, opts client.WarnOpts) error {
	opts.Level = max(1, opts.Level) // Upstream: level 0 becomes 1, the highest
	if c.opt.Warn != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.opt.Warn(Warning{Vertex: vertex, Message: msg, WarnOpts: opts})
	}
	return nil
}
