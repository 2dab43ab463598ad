package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"slipway/solver/gateway"
	"slipway/solver/llbsource"
	"slipway/solver/runner"
	"slipway/solver/tree"
)

// programRunner runs each process of a container as the function program, on the standard streams
// of the process. It records what the process can see.
type programRunner struct {
	runner.Runner
	program func(ctx context.Context, c gwpb.LLBBridgeClient)
	box     runner.Sandbox
	process runner.Process
}

// Open implements [runner.Opener].
func (r *programRunner) Open(ctx context.Context, s *runner.Sandbox) (runner.Container, error) {
	r.box = *s
	return &programContainer{ctx, r}, nil
}

type programContainer struct {
	ctx context.Context
	r   *programRunner
}

// Start implements [runner.Container].
func (c *programContainer) Start(p *runner.Process) (runner.Running, error) {
	c.r.process = *p
	conn, err := grpc.NewClient("passthrough:///frontend",
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return p.Stdin.(net.Conn), nil }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(grpcerrors.UnaryClientInterceptor),
	)
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.r.program(c.ctx, gwpb.NewLLBBridgeClient(conn))
		_ = conn.Close()
	}()
	return programProcess{ended}, nil
}

func (c *programContainer) Tree(int) (*tree.Node, error) { return nil, errors.New("no tree") }
func (c *programContainer) Close() error                 { return nil }

type programProcess struct{ ended chan struct{} }

func (p programProcess) Wait() error                 { <-p.ended; return nil }
func (p programProcess) Signal(syscall.Signal) error { return nil }
func (p programProcess) Resize(_, _ uint16) error    { return nil }

// runProgram runs a function as the program of a frontend image with the given labels. It returns
// the error of the build, and what the program could see.
func runProgram(t *testing.T, labels map[string]string, program func(ctx context.Context, c gwpb.LLBBridgeClient)) (*programRunner, error) {
	t.Helper()
	m := newTestSolver(t)
	r := &programRunner{Runner: m.run, program: program}
	m.run = r
	dir := files(t, map[string]string{"f": "x"})
	src := &llbsource.Sources{Store: m.store, Cache: m.cache, Dirs: map[string]string{"context": dir}}
	c := gateway.New(gateway.Options{
		Build: m.solver(src), Store: m.store, Sources: src, Opts: map[string]string{"build-arg:A": "1"},
		NamedContext: func(context.Context, client.Client, string) (*llb.State, []byte, error) {
			st := llb.Scratch().File(llb.Mkfile("/program", 0o755, nil))
			config, err := json.Marshal(ocispecs.Image{Config: ocispecs.ImageConfig{Entrypoint: []string{"/program"}, Env: []string{"PATH=/bin"}, Labels: labels}})
			return &st, config, err
		},
	})
	_, err := c.Solve(t.Context(), client.SolveRequest{Frontend: "gateway.v0", FrontendOpt: map[string]string{"source": "toy"}})
	return r, err
}

// TestFrontendSandbox checks what the program of a frontend image can see: its own files and the
// definition of its image, the environment of the image and the options of the build, and a network
// unless a label of the image denies it. It sees nothing of the host, no secrets and no devices.
func TestFrontendSandbox(t *testing.T) {
	t.Setenv("SLIPWAY_TEST_HOST", "of the host")
	for label, want := range map[string]runner.Network{"": runner.NetworkDefault, "false": runner.NetworkDefault, "true": runner.NetworkNone} {
		r, err := runProgram(t, map[string]string{"moby.buildkit.frontend.network.none": label}, func(context.Context, gwpb.LLBBridgeClient) {})
		if err == nil || !strings.Contains(err.Error(), "no result") {
			t.Errorf("label %q: error %v, want that the frontend returned no result", label, err)
		}
		if r.box.Network != want {
			t.Errorf("label %q: network %d, want %d", label, r.box.Network, want)
		}
		var mounts []string
		for _, m := range r.box.Mounts {
			mounts = append(mounts, m.Target)
			if m.Tree == nil {
				t.Errorf("label %q: mount %+v is not a tree of the build", label, m)
			}
		}
		if !slices.Equal(mounts, []string{"/", "/run/config/buildkit/metadata"}) || len(r.box.Devices) > 0 {
			t.Errorf("label %q: mounts %q, devices %v", label, mounts, r.box.Devices)
		}
		for _, kv := range r.process.Env {
			key, _, _ := strings.Cut(kv, "=")
			if key != "PATH" && !strings.HasPrefix(key, "BUILDKIT_") {
				t.Errorf("label %q: the environment has %s", label, kv)
			}
		}
		if r.process.Insecure || r.process.Args[0] != "/program" {
			t.Errorf("label %q: process %+v", label, r.process)
		}
	}
}

// TestFrontendRequests checks that a frontend image cannot do what the build does not allow: steps
// and containers with all privileges or the network of the host, secrets that the client does not
// have, and references that the frontend did not make. The answer to each request is an error, and
// the frontend can still return its result.
func TestFrontendRequests(t *testing.T) {
	solve := func(c gwpb.LLBBridgeClient, opts ...llb.RunOption) error {
		st := llb.Scratch().Run(append(opts, llb.Args([]string{"/x"}))...).Root()
		def, err := st.Marshal(t.Context())
		if err != nil {
			t.Error(err)
		}
		return second(c.Solve(t.Context(), &gwpb.SolveRequest{Definition: def.ToPB(), Evaluate: true}))
	}
	container := func(c gwpb.LLBBridgeClient, req *gwpb.NewContainerRequest, init *gwpb.InitMessage) error {
		req.ContainerID, req.Mounts = "c"+init.String(), []*pb.Mount{{Dest: "/"}}
		if _, err := c.NewContainer(t.Context(), req); err != nil {
			return err
		}
		init.ContainerID, init.Meta = req.ContainerID, &pb.Meta{Args: []string{"/x"}, Cwd: "/"}
		stream, err := c.ExecProcess(t.Context())
		if err != nil {
			return err
		}
		if err := stream.Send(&gwpb.ExecMessage{ProcessID: "p", Input: &gwpb.ExecMessage_Init{Init: init}}); err != nil {
			return err
		}
		for {
			m, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if e := m.GetExit().GetError(); e != nil {
				return errors.New(e.Message)
			}
			if err != nil {
				return err
			}
		}
	}
	_, err := runProgram(t, nil, func(ctx context.Context, c gwpb.LLBBridgeClient) {
		for about, tc := range map[string]struct {
			err  error
			want string
		}{
			"insecure step":       {solve(c, llb.Security(pb.SecurityMode_INSECURE)), "security.insecure is not allowed"},
			"step on the host":    {solve(c, llb.Network(pb.NetMode_HOST)), "network.host is not allowed"},
			"secret":              {solve(c, llb.AddSecret("/s", llb.SecretID("s"))), "secret s: not found"},
			"SSH agent":           {solve(c, llb.AddSSHSocket()), "SSH"},
			"container on host":   {container(c, &gwpb.NewContainerRequest{Network: pb.NetMode_HOST}, &gwpb.InitMessage{}), "network.host is not allowed"},
			"insecure process":    {container(c, &gwpb.NewContainerRequest{}, &gwpb.InitMessage{Security: pb.SecurityMode_INSECURE}), "security.insecure is not allowed"},
			"foreign reference":   {second(c.ReadFile(ctx, &gwpb.ReadFileRequest{Ref: "ref-7", FilePath: "/f"})), "ref-7"},
			"foreign result":      {second(c.Return(ctx, &gwpb.ReturnRequest{Result: &gwpb.Result{Result: &gwpb.Result_Ref{Ref: &gwpb.Ref{Id: "ref-7"}}}})), "ref-7"},
			"host file by a path": {second(c.ReadFile(ctx, &gwpb.ReadFileRequest{Ref: "/etc/passwd", FilePath: "/etc/passwd"})), "/etc/passwd"},
		} {
			if tc.err == nil || !strings.Contains(tc.err.Error(), tc.want) {
				t.Errorf("%s: error %v, want %s", about, tc.err, tc.want)
			}
		}
		if _, err := c.Return(ctx, &gwpb.ReturnRequest{Error: &spb.Status{Code: int32(codes.Aborted), Message: "done"}}); err != nil {
			t.Errorf("return: %v", err)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "done") {
		t.Errorf("the build ends with %v, want the error of the frontend", err)
	}
}
