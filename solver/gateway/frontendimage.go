package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"

	"slipway/solver"
	"slipway/solver/gateway/bridge"
	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// These are names in the protocol between a builder and a frontend image: labels of the image,
// an option of the build, a capability, and the prefix of environment variables.
const (
	labelCaps    = "moby.buildkit.frontend.caps"         // capabilities of the frontend, separated by commas
	labelNoNet   = "moby.buildkit.frontend.network.none" // whether the frontend runs without a network
	optCaps      = "frontend.caps"                       // capabilities that the build needs
	capInputs    = "moby.buildkit.frontend.inputs"       // the frontend can use frontend inputs
	optionPrefix = "BUILDKIT_FRONTEND_OPT_"              // prefix of environment variables with the options of the frontend
)

// maxForwards is the maximum length of a chain of frontend images in which each forwards the
// build to the next one.
const maxForwards = 16

// frontendImage is an image whose entrypoint is the program of a frontend.
type frontendImage struct {
	name   string
	root   *snapshot.Snapshot
	def    *pb.Definition // definition of root
	config ocispecs.ImageConfig
}

// runImage runs the frontend in the image that the parameter source names, with the options
// and inputs of the client, and returns the result of the frontend. The frontend runs as a
// process in a container. As in BuildKit, environment variables contain its options, and it
// sends its requests over standard input and output.
func (c *Client) runImage(ctx context.Context, source string) (*client.Result, error) {
	if c.forwards > maxForwards {
		return nil, fmt.Errorf("more than %d frontends forward the build to each other", maxForwards)
	}
	image, err := c.frontendImage(ctx, source)
	if err != nil {
		return nil, err
	}
	if err := c.checkCaps(image); err != nil {
		return nil, err
	}
	b := bridge.New(c, c.opt.Inputs)
	failed := c.serveFrontend(ctx, image, b)
	res, err := b.Result()
	if failed != nil && (err == nil || errors.Is(err, bridge.ErrIncomplete)) {
		return nil, failed
	}
	return res, err
}

// frontendImage resolves and fetches the frontend image with the given name, or the named
// context that replaces it.
func (c *Client) frontendImage(ctx context.Context, name string) (*frontendImage, error) {
	if name == "" {
		return nil, errors.New("no source specified for gateway")
	}
	st, config, err := c.replacement(ctx, name)
	if err == nil && st == nil {
		st, config, err = c.registryImage(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	image := &frontendImage{name: name}
	if len(config) > 0 {
		var img ocispecs.Image
		if err := json.Unmarshal(config, &img); err != nil {
			return nil, fmt.Errorf("config of the frontend image %s: %w", name, err)
		}
		image.config = img.Config
	}
	def, err := st.Marshal(ctx)
	if err != nil {
		return nil, err
	}
	image.def = def.ToPB()
	res, err := c.load(ctx, client.SolveRequest{Definition: image.def})
	if err != nil {
		return nil, err
	}
	ref, ok := res.Ref.(*Reference)
	if !ok {
		return nil, fmt.Errorf("frontend image %s: the image is empty", name)
	}
	image.root, err = ref.snapshot(ctx)
	return image, err
}

// replacement returns the state and the config of the named context that replaces a frontend
// image. If no named context replaces it, the state is nil.
func (c *Client) replacement(ctx context.Context, name string) (*llb.State, []byte, error) {
	if c.opt.NamedContext == nil {
		return nil, nil, nil
	}
	return c.opt.NamedContext(ctx, c, name)
}

// registryImage resolves the frontend image with the given name. It returns the state of the
// image and its config.
func (c *Client) registryImage(ctx context.Context, name string) (*llb.State, []byte, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, nil, fmt.Errorf("invalid name %q of a frontend image: %w", name, err)
	}
	ref, d, config, err := c.ResolveImageConfig(ctx, reference.TagNameOnly(named).String(), sourceresolver.Opt{})
	if err != nil {
		return nil, nil, err
	}
	if named, err = reference.ParseNormalizedNamed(ref); err != nil {
		return nil, nil, err
	}
	if d != "" {
		if named, err = reference.WithDigest(named, d); err != nil {
			return nil, nil, err
		}
	}
	st := llb.Image(named.String())
	return &st, config, nil
}

// checkCaps returns an error if the build needs a capability that is missing from the labels
// of the frontend image.
func (c *Client) checkCaps(i *frontendImage) error {
	has, needs := capNames(i.config.Labels[labelCaps]), capNames(c.opt.Opts[optCaps])
	if len(c.opt.Inputs) > 0 {
		needs = append(needs, capInputs)
	}
	for _, name := range needs {
		if !slices.Contains(has, name) {
			return grpcerrors.WrapCode(errdefs.NewUnsupportedFrontendCapError(name), codes.Unimplemented)
		}
	}
	return nil
}

// capNames parses a list of capabilities, separated by commas, and returns their names. It
// drops the details that may follow a name after a plus sign.
func capNames(list string) (names []string) {
	for item := range strings.SplitSeq(list, ",") {
		if name, _, _ := strings.Cut(item, "+"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// worker describes a worker to a frontend. The environment variable BUILDKIT_WORKERS contains
// a list of workers as JSON.
type worker struct {
	ID        string              `json:"id"`
	Labels    map[string]string   `json:"labels"`
	Platforms []ocispecs.Platform `json:"platforms"`
}

// frontendEnv returns the environment variables for the process of a frontend: the variables
// in the config of its image, the options of the build, and a description of the builder.
func (c *Client) frontendEnv(i *frontendImage) ([]string, error) {
	env := slices.Clone(i.config.Env)
	for n, key := range slices.Sorted(maps.Keys(c.opt.Opts)) {
		env = append(env, optionPrefix+strconv.Itoa(n)+"="+key+"="+c.opt.Opts[key])
	}
	b := c.BuildOpts()
	var workers []worker
	for _, w := range b.Workers {
		workers = append(workers, worker(w))
	}
	list, err := json.Marshal(workers)
	if err != nil {
		return nil, err
	}
	return append(env, "BUILDKIT_SESSION_ID="+b.SessionID, "BUILDKIT_WORKERS="+string(list), "BUILDKIT_EXPORTEDPRODUCT="+b.Product), nil
}

// metadataDir is the path of a directory in the container of a frontend. Its file frontend.bin
// contains the LLB definition of the frontend image.
const metadataDir = "/run/config/buildkit/metadata"

// openFrontend opens a container for the process of a frontend. It does not start the process.
func (c *Client) openFrontend(ctx context.Context, i *frontendImage) (*solver.Container, error) {
	metadata, err := c.metadataSnapshot(i.def)
	if err != nil {
		return nil, err
	}
	op := &pb.ExecOp{Meta: &pb.Meta{RemoveMountStubsRecursive: true}, Mounts: []*pb.Mount{
		{Dest: pb.RootMount, Input: 0, Output: 0},
		{Dest: metadataDir, Input: 1, Output: 1, Readonly: true},
	}}
	if none, _ := strconv.ParseBool(i.config.Labels[labelNoNet]); none {
		op.Network = pb.NetMode_NONE
	}
	return c.opt.Build.OpenContainer(ctx, &pb.Op{Op: &pb.Op_Exec{Exec: op}}, []*snapshot.Snapshot{i.root, metadata})
}

// process returns the process of the frontend, without its standard streams.
//
// Upstream: the user and the command in the image config are ignored.
func (i *frontendImage) process(ctx context.Context, box *solver.Container, env []string) (*runner.Process, error) {
	m := &pb.Meta{Args: i.config.Entrypoint, Env: env, Cwd: cmp.Or(i.config.WorkingDir, "/")}
	if len(m.Args) == 0 {
		m.Args = []string{"/run"}
	}
	return box.Process(ctx, &pb.ExecOp{Meta: m})
}

// metadataSnapshot returns a snapshot for [metadataDir]. Its only file, frontend.bin, contains
// the definition def.
func (c *Client) metadataSnapshot(def *pb.Definition) (*snapshot.Snapshot, error) {
	data, err := def.MarshalVT()
	if err != nil {
		return nil, err
	}
	blob, err := c.opt.Store.PutBytes(data)
	if err != nil {
		return nil, err
	}
	file := tree.NewFile(tree.Meta{Mode: 0o400}, blob)
	dir, err := tree.NewDir(tree.Meta{Mode: 0o755}, []tree.Entry{{Name: "frontend.bin", Node: file}})
	if err != nil {
		return nil, err
	}
	return snapshot.New(dir, []snapshot.Layer{{LayerRef: tree.Layer{Lower: tree.Empty(), Upper: dir}.Ref()}}), nil
}

// errServerClosed is the error for a frontend whose connection to the builder ends before its
// process.
var errServerClosed = errors.New("frontend grpc server closed unexpectedly")

// serveFrontend runs the frontend in an image until its process ends. The bridge b answers the
// requests of the frontend. If the connection of the frontend ends first, serveFrontend kills
// the process. When the frontend has ended, its containers are closed, too.
func (c *Client) serveFrontend(ctx context.Context, i *frontendImage, b *bridge.Bridge) (err error) {
	env, err := c.frontendEnv(i)
	if err != nil {
		return err
	}
	box, err := c.openFrontend(ctx, i)
	if err != nil {
		return err
	}
	defer func() {
		b.Close(ctx)
		err = errors.Join(err, box.Close())
	}()
	p, err := i.process(ctx, box, env)
	if err != nil {
		return err
	}
	ours, theirs := net.Pipe()
	stderr := &tail{}
	p.Stdin, p.Stdout, p.Stderr = theirs, theirs, stderr
	running, err := box.Start(p)
	if err != nil {
		return err
	}
	served, exited := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(served)
		b.Serve(ctx, ours)
	}()
	go func() { exited <- running.Wait() }()
	select {
	case err = <-exited:
	case <-served: // the frontend does not speak the protocol, or ctx has ended
		err = errors.Join(errServerClosed, box.Close())
		<-exited
	}
	err = errors.Join(err, theirs.Close())
	<-served
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return stderr.explain(i.name, err)
}

// maxTail is the maximum number of bytes that an error message quotes from the end of a
// frontend's standard error.
const maxTail = 1 << 10

// tail is a writer that keeps the last bytes written to it. Safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	data []byte
}

// Write implements [io.Writer].
func (t *tail) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(data)
	t.data = append(t.data, data[max(0, n-maxTail):]...)
	t.data = slices.Delete(t.data, 0, max(0, len(t.data)-maxTail))
	return n, nil
}

// explain adds the name of the frontend image and the last lines of its standard error to err,
// the error of the frontend. If err is nil, it returns nil.
func (t *tail) explain(name string, err error) error {
	if err == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := strings.TrimSpace(strings.ToValidUTF8(string(t.data), "")); text != "" {
		return fmt.Errorf("frontend image %s: %w: %s", name, err, text)
	}
	return fmt.Errorf("frontend image %s: %w", name, err)
}
