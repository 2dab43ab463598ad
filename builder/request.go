package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"

	"slipway/diag"
	"slipway/frontend"
	"slipway/solver/export"
	local "slipway/solver/gateway"
	"slipway/solver/hostmount"
	"slipway/solver/llbsource"
	"slipway/solver/provenance"
	"slipway/solver/registry"
	"slipway/solver/remotecache"
	"slipway/solver/tree"
)

// Client is the client of a build in another process. It provides the inputs of the build that
// are not on this machine. Safe for concurrent use.
type Client interface {
	llbsource.Client
	// Login returns the client's login for the registry at a host (HOST or HOST:PORT). If the
	// client has none, it returns a zero Login.
	Login(ctx context.Context, host string) (registry.Login, error)
	// CacheStore returns the content store of a local cache. The parameter dir is the directory
	// of the cache on the client's machine.
	CacheStore(ctx context.Context, dir string) (content.Store, error)
}

// Receiver receives an output that is not written to a file of this machine.
type Receiver interface {
	// File opens the destination of an archive. The parameter exported contains the digests
	// and names of the image, with the keys of [Result.Exported]. If abort is called before
	// Close, the archive is incomplete. If the client has the archive already, the error of File or
	// Close has the code [codes.AlreadyExists].
	File(ctx context.Context, exported map[string]string) (w io.WriteCloser, abort func(), err error)
	// Dir receives the files of a directory. The contents of the files are in the store.
	Dir(ctx context.Context, root *tree.Node, store *tree.Store) error
	// Store returns the content store that receives an image with the attribute tar=false.
	Store(ctx context.Context) (content.Store, error)
}

// Request is a build that a client in another process requests. Unlike the build of a context
// that [Options] describe, its frontend receives all options from the client.
type Request struct {
	Client  Client
	Session string // ID of the client's session, which frontends receive

	Frontend       string // name of the frontend; "" if the client provides the result
	FrontendOpts   map[string]string
	FrontendInputs map[string]*pb.Definition
	Policies       []*spb.Policy  // source policies for all operations
	Verify         local.Verifier // decides after the policies about each source; may be nil
	Record         bool           // whether the result contains the provenance for a history of builds
	// Build produces the result. The gateway client that it receives has the frontends
	// gateway.v0 and dockerfile.v0, the built-in Dockerfile frontend.
	Build gateway.BuildFunc
	// Outputs returns further outputs, which the client chooses when it knows the result. It may be
	// nil.
	Outputs func(context.Context, *gateway.Result) ([]Output, error)
	// Done is called after the outputs and caches are complete, or if the build fails. After it has
	// returned, the gateway client that Build received is not used any more. It may be nil.
	Done func()
}

// BuildRequest performs a build for a client in another process. It ignores the fields of o that
// describe the context and its frontend options. Secrets, SSH agents and credentials come from
// the client only. All processes and goroutines of the build have ended when it returns, even if
// ctx was canceled. The errors have the types that BuildKit's clients expect.
func BuildRequest(ctx context.Context, o Options, r *Request) (*Result, error) {
	if err := o.CheckRequest(); err != nil {
		return nil, err
	}
	o.Secrets, o.Agents = nil, nil
	p := &inputs{opts: r.FrontendOpts, request: r}
	if p.opts == nil {
		p.opts = map[string]string{}
	}
	return buildHere(ctx, &o, p)
}

// CheckRequest returns an error if options are invalid or unsupported in a build for a client in
// another process.
func (o *Options) CheckRequest() error {
	if _, err := imageNames(o, Output{}); err != nil {
		return err
	}
	for _, out := range o.Outputs {
		if err := o.checkRequested(out); err != nil {
			return err
		}
	}
	if _, err := provenance.ReadEnv(o.ProvenanceEnvDir); err != nil {
		return err
	}
	if err := o.checkAllow(); err != nil {
		return err
	}
	return o.checkLocal()
}

// checkRequested returns an error if an output that a client requests is invalid.
func (o *Options) checkRequested(out Output) error {
	if err := out.check(); err != nil {
		return err
	}
	names, err := imageNames(o, out)
	if err != nil {
		return err
	}
	if out.Push && len(names) == 0 && out.Name != frontendName {
		return errors.New("output image: the image needs a name to be pushed")
	}
	for _, name := range names {
		if out.Type == "image" && strings.Contains(name, "@") {
			return fmt.Errorf("output image: %q has a digest, which follows from its content (name a tag)", name)
		}
	}
	return nil
}

// withOutputs returns a copy of o with further outputs, which the client of the build chooses for
// the result of the frontend. The outputs have the names that the frontend chooses.
func (p *inputs) withOutputs(ctx context.Context, o *Options, res *gateway.Result) (*Options, error) {
	all := *o
	if p.request != nil && p.request.Outputs != nil {
		more, err := p.request.Outputs(ctx, res)
		if err != nil {
			return nil, err
		}
		for _, out := range more {
			if err := errors.Join(all.checkRequested(out), out.checkLocal()); err != nil {
				return nil, err
			}
		}
		all.Outputs = slices.Concat(o.Outputs, more)
	}
	return all.withNames(res.Metadata)
}

// done calls [Request.Done].
func (p *inputs) done() {
	if p.request != nil && p.request.Done != nil {
		p.request.Done()
	}
}

// credentials returns the function that looks up logins for registries: logins of the user or, if a
// client requested the build, logins of the client.
func (p *inputs) credentials(ctx context.Context) registry.Credentials {
	if p.request == nil {
		return registry.UserCredentials()
	}
	return func(name string) (registry.Login, error) {
		if strings.Contains(name, "/") {
			return registry.Login{}, nil // clients have credentials for hosts only
		}
		return p.request.Client.Login(ctx, name)
	}
}

// gatewayOptions returns the options for the gateway client through which the frontend of the
// build accesses the builder.
func (p *inputs) gatewayOptions(o *Options, progress *progress, caches *caches) local.Options {
	opt := local.Options{Opts: p.opts, Warn: progress.warn, Loaded: progress.loaded, Step: progress.step, NamedContext: frontend.NamedContext}
	opt.Producers = o.Producers
	opt.Root = &local.FrontendRequest{Name: dockerfileFrontend, Opts: p.opts}
	opt.Request = opt.Root
	if o.FrontendImage != "" {
		opt.Root = nil // the build is a request for the frontend image
	}
	if r := p.request; r != nil {
		opt.Request, opt.Root = nil, &local.FrontendRequest{Name: r.Frontend, Opts: p.opts}
		opt.Inputs, opt.Policies, opt.Verify, opt.Session = r.FrontendInputs, r.Policies, r.Verify, r.Session
		opt.ImportCaches = caches.add
		opt.Frontends = map[string]gateway.BuildFunc{dockerfileFrontend: o.buildFunc(func(diag.List) {}, progress.replaces)}
	}
	return opt
}

// buildFunc returns the function that produces the result of the build.
func (p *inputs) buildFunc(o *Options, progress *progress) gateway.BuildFunc {
	if p.request != nil {
		return p.request.Build
	}
	return p.recordSolves(o.buildFunc(p.recordFindings(o), progress.replaces))
}

// clientMounts contains the host mounts for RUN steps of a build for a client in another
// process. Secrets and SSH agents come from the client.
type clientMounts struct {
	*hostmount.Mounts
	client Client
}

// Secret implements [solver.Mounts].
func (m clientMounts) Secret(ctx context.Context, id string) ([]byte, bool, error) {
	return m.client.Secret(ctx, id)
}

// Agent implements [solver.Mounts].
func (m clientMounts) Agent(ctx context.Context, id string) (string, bool, error) {
	if id == "" {
		id = "default"
	}
	return m.client.Agent(ctx, id)
}

// openStores opens the stores of local caches that a client in another process imports or exports.
func (p *inputs) openStores(ctx context.Context, from []remotecache.From, to []remotecache.To) (err error) {
	if p.request == nil {
		return nil
	}
	for i := range from {
		if f := &from[i]; f.Type == "local" {
			if f.Store, err = p.request.Client.CacheStore(ctx, f.Src); err != nil {
				return fmt.Errorf("import cache from %s: %w", f, err)
			}
		}
	}
	for i := range to {
		if t := &to[i]; t.Type == "local" {
			if t.Store, err = p.request.Client.CacheStore(ctx, t.Dest); err != nil {
				return fmt.Errorf("export cache to %s: %w", t, err)
			}
		}
	}
	return nil
}

// toStore writes an image to the content store of an output.
func (o Output) toStore(ctx context.Context, root *export.Root) error {
	store, err := o.To.Store(ctx)
	if err != nil {
		return err
	}
	return root.WriteBlobs(func(d digest.Digest, size int64, r io.Reader) error {
		return content.WriteBlob(ctx, store, d.String(), tree.Reader(ctx, r), ocispecs.Descriptor{Digest: d, Size: size})
	})
}

// toReceiver writes an archive to the receiver of an output, unless the client has it already.
func (o Output) toReceiver(ctx context.Context, exported map[string]string, write func(io.Writer) error) error {
	err := o.send(ctx, exported, write)
	if grpcerrors.Code(err) == codes.AlreadyExists {
		return nil
	}
	return err
}

// send is like toReceiver, but returns the error of a client that has the archive already.
func (o Output) send(ctx context.Context, exported map[string]string, write func(io.Writer) error) error {
	w, abort, err := o.To.File(ctx, exported)
	if err != nil {
		return err
	}
	if err := write(w); err != nil {
		abort()
		_ = w.Close()
		return err
	}
	return w.Close()
}
