package corpus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	apicapspb "github.com/moby/buildkit/util/apicaps/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/golden"
)

// sessionID is the session id of every build. Without a session id, local sources would get
// random names.
const sessionID = "session"

// Client is a gateway client without a builder. It answers requests with data from a case, and
// records the requests. Safe for concurrent use.
type Client struct {
	c      *golden.Case
	images *golden.Images
	opts   gateway.BuildOpts
	record *Record
	seed   int // seed for random delays of concurrent requests; 0 for no delays
}

var _ gateway.Client = (*Client)(nil)

// NewClient returns a client for one run of a case. The parameter platform is the value of the
// frontend option "platform". If it is "", the option is not set.
func NewClient(c *golden.Case, platform string) (*Client, error) {
	images, err := c.Images()
	if err != nil {
		return nil, err
	}
	opts := maps.Clone(c.Opts)
	delete(opts, "platform")
	if platform != "" {
		opts["platform"] = platform
	}
	worker := gateway.WorkerInfo{ID: "worker", Labels: map[string]string{}}
	for _, s := range c.Worker {
		p, err := platforms.Parse(s)
		if err != nil {
			return nil, err
		}
		worker.Platforms = append(worker.Platforms, p)
	}
	return &Client{
		c: c, images: images, record: &Record{},
		opts: gateway.BuildOpts{
			Opts: opts, SessionID: sessionID, Workers: []gateway.WorkerInfo{worker}, Product: "buildkit",
			LLBCaps: capSet(&pb.Caps, c.MissingCaps), Caps: capSet(&gatewaypb.Caps, c.MissingCaps),
		},
	}, nil
}

// capSet returns the capabilities in list as a set, without the capabilities in missing.
func capSet(list *apicaps.CapList, missing []string) apicaps.CapSet {
	all := slices.DeleteFunc(list.All(), func(cap *apicapspb.APICap) bool { return slices.Contains(missing, cap.ID) })
	return list.CapSet(all)
}

// BuildOpts returns the same map of options each time, as BuildKit's client does. If a frontend
// modifies the map, its later calls therefore return the modified options.
func (c *Client) BuildOpts() gateway.BuildOpts { return c.opts }

// Solve records the request and returns a reference to its result. It executes nothing, but
// returns the errors that a daemon returns before it executes anything, such as the error for
// an unsupported capability.
func (c *Client) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, key := range sortedKeys(req.Definition.GetMetadata()) {
		for _, id := range sortedKeys(req.Definition.Metadata[key].Caps) {
			if err := c.opts.LLBCaps.Supports(apicaps.CapID(id)); err != nil {
				return nil, err
			}
		}
	}
	s := c.record.addSolve(req)
	res := gateway.NewResult()
	if req.Frontend != "" && req.Definition != nil {
		return nil, errors.New("cannot solve with both Definition and Frontend specified")
	}
	if req.Frontend == "" && len(req.Definition.GetDef()) == 0 {
		s.isResult = true // an empty definition has a nil reference
		return res, nil
	}
	ref := &reference{client: c, solve: s}
	res.SetRef(ref)
	if req.Evaluate {
		if err := ref.Evaluate(ctx); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// ResolveImageConfig resolves the image with ResolveSourceMetadata, as BuildKit does.
func (c *Client) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return sourceresolver.NewImageMetaResolver(c).ResolveImageConfig(ctx, ref, opt)
}

// ResolveSourceMetadata records the request and returns the metadata of the source. Metadata of
// images comes from the images of the case, and metadata of git and HTTP sources from its
// files.
func (c *Client) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.record.addRequest("%s", metadataRequestText(op, opt))
	c.delay(op.Identifier)
	if other, ok := c.c.Policy[op.Identifier]; ok {
		op = &pb.SourceOp{Identifier: other, Attrs: op.Attrs}
	}
	scheme, rest, _ := strings.Cut(op.Identifier, "://")
	switch scheme {
	case "docker-image", "oci-layout":
		img, err := c.images.Resolve(rest, imagePlatform(opt))
		if errors.Is(err, golden.ErrNoImage) {
			return nil, fmt.Errorf("%s%w", strings.TrimSuffix(err.Error(), "not found"), cerrdefs.ErrNotFound)
		}
		if err != nil {
			return nil, err
		}
		return &sourceresolver.MetaResponse{Op: op, Image: &sourceresolver.ResolveImageResponse{Digest: img.Digest, Config: img.Config}}, nil
	case "git":
		commit, ok := c.c.File("git.commit")
		if !ok {
			return nil, fmt.Errorf("failed to fetch remote %s: %w", rest, cerrdefs.ErrNotFound)
		}
		return &sourceresolver.MetaResponse{Op: op, Git: &sourceresolver.ResolveGitResponse{
			Checksum: "0123456789012345678901234567890123456789", CommitObject: commit,
		}}, nil
	case "http", "https":
		return c.httpMetadata(op)
	}
	return &sourceresolver.MetaResponse{Op: op}, nil
}

// delay waits up to 1.4 ms before the client answers the request with the identifier id. The
// duration depends on id and on the client's seed. If several concurrent requests fail, the
// seed therefore determines which of them fails first.
func (c *Client) delay(id string) {
	if c.seed > 0 {
		n := digest.FromString(fmt.Sprint(id, c.seed)).Encoded()[0]
		time.Sleep(time.Duration(n%8) * 200 * time.Microsecond)
	}
}

func (c *Client) httpMetadata(op *pb.SourceOp) (*sourceresolver.MetaResponse, error) {
	body, ok := c.c.File("http/" + op.Identifier)
	if !ok {
		return nil, fmt.Errorf("invalid response status 404 Not Found")
	}
	res := &sourceresolver.ResolveHTTPResponse{Digest: digest.FromBytes(body)}
	if at, ok := c.c.LastModified[op.Identifier]; ok {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return nil, err
		}
		res.LastModified = &t
	}
	return &sourceresolver.MetaResponse{Op: op, HTTP: res}, nil
}

// Inputs returns the frontend inputs of the case, each as a local source.
func (c *Client) Inputs(context.Context) (map[string]llb.State, error) {
	inputs := map[string]llb.State{}
	for _, f := range c.c.Files {
		dir, _, _ := strings.Cut(f.Name, "/")
		if name, ok := strings.CutPrefix(dir, "input."); ok {
			inputs[name] = llb.Local(dir, llb.SessionID(sessionID), llb.WithCustomName("input "+name))
		}
	}
	return inputs, nil
}

// NewContainer returns an error, because there is no builder.
func (c *Client) NewContainer(context.Context, gateway.NewContainerRequest) (gateway.Container, error) {
	return nil, errors.New("cannot run a container without a builder")
}

// Warn adds the warning to [Record].Warnings.
func (c *Client) Warn(_ context.Context, vertex digest.Digest, short string, opts gateway.WarnOpts) error {
	c.record.addWarning(Warning{Vertex: vertex, Short: short, Opts: opts})
	return nil
}

func imagePlatform(opt sourceresolver.Opt) *ocispecs.Platform {
	switch {
	case opt.ImageOpt != nil && opt.ImageOpt.Platform != nil:
		return opt.ImageOpt.Platform
	case opt.OCILayoutOpt != nil && opt.OCILayoutOpt.Platform != nil:
		return opt.OCILayoutOpt.Platform
	}
	return nil
}

func platformText(p *ocispecs.Platform) string {
	if p == nil {
		return "none"
	}
	return platforms.FormatAll(*p)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
