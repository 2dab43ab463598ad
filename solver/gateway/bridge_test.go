package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/gateway/grpcclient"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"slipway/frontend"
	"slipway/solver/gateway"
	"slipway/solver/gateway/bridge"
	"slipway/solver/runner/script"
)

// connect serves a bridge that forwards requests to c. It returns BuildKit's client, which
// is connected to this bridge, and the bridge.
func connect(t *testing.T, c *gateway.Client) (grpcclient.GrpcClient, *bridge.Bridge) {
	t.Helper()
	b := bridge.New(c, nil)
	api := dial(t, b)
	opts := c.BuildOpts()
	over, err := grpcclient.New(t.Context(), opts.Opts, opts.SessionID, opts.Product, api, opts.Workers)
	if err != nil {
		t.Fatal(err)
	}
	return over, b
}

// dial serves the bridge b until the test ends, and returns a gRPC client that is
// connected to it.
func dial(t *testing.T, b *bridge.Bridge) gwpb.LLBBridgeClient {
	t.Helper()
	ours, theirs := net.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		b.Serve(t.Context(), ours)
	}()
	conn, err := grpc.NewClient("passthrough:///frontend",
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return theirs, nil }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(grpcerrors.UnaryClientInterceptor),
		grpc.WithStreamInterceptor(grpcerrors.StreamClientInterceptor),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		b.Close(context.WithoutCancel(t.Context()))
		<-served
	})
	return gwpb.NewLLBBridgeClient(conn)
}

// TestBridge checks that a build over a connection to a bridge has the same result as a
// build with a direct client.
func TestBridge(t *testing.T) {
	dir := files(t, map[string]string{"Dockerfile": "FROM scratch AS a\nCOPY f /\nFROM a AS b\nCOPY <<END /g\ntext\nEND\n", "f": "1"})
	m := newTestSolver(t)
	want, direct, err := m.build(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	over, b := connect(t, m.client(dir, map[string]string{"platform": "linux/amd64,linux/arm64"}))
	if _, err := b.Result(); !errors.Is(err, bridge.ErrIncomplete) {
		t.Errorf("result before the build: %v", err)
	}
	if err := over.Run(t.Context(), frontend.Build); err != nil {
		t.Fatal(err)
	}
	res, err := b.Result()
	if err != nil || len(res.Refs) != 2 {
		t.Fatalf("result %v, %v, want two platforms", res, err)
	}
	for platform, ref := range res.Refs {
		s, err := ref.(*gateway.Reference).Result.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n, err := s.Tree(); err != nil || !n.Same(want) {
			t.Errorf("%s: files differ from those of a direct build, %v", platform, err)
		}
	}
	if string(res.Metadata["containerimage.config/linux/amd64"]) != string(direct.Metadata["containerimage.config"]) {
		t.Errorf("config %s, want %s", res.Metadata["containerimage.config/linux/amd64"], direct.Metadata["containerimage.config"])
	}
}

// TestBridgeErrors checks that the details of an error reach the frontend, and that the
// details of the error that the frontend returns reach the builder.
func TestBridgeErrors(t *testing.T) {
	dir := files(t, map[string]string{"Dockerfile": "FROM scratch\nRUN fail\n"})
	m := newTestSolver(t, script.Step{Run: "fail", Exit: 7})
	over, b := connect(t, m.client(dir, nil))
	err := over.Run(t.Context(), func(ctx context.Context, c client.Client) (*client.Result, error) {
		res, err := frontend.Build(ctx, c)
		if err != nil {
			return nil, err
		}
		err = res.Ref.Evaluate(ctx)
		var exit *gwpb.ExitError
		var failed *errdefs.SolveError
		if !errors.As(err, &exit) || exit.ExitCode != 7 || !errors.As(err, &failed) || failed.Op.GetExec() == nil || len(failed.MountIDs) == 0 {
			t.Errorf("error of the step in the frontend: %v", err)
		}
		return nil, err
	})
	if err == nil {
		t.Error("Run returns no error")
	}
	_, err = b.Result()
	sources := errdefs.Sources(err)
	if len(sources) != 1 || sources[0].Info.GetFilename() != "Dockerfile" || sources[0].Ranges[0].GetStart().GetLine() != 2 {
		t.Errorf("error of the step in the builder: %v, locations %v", err, sources)
	}
}

// TestBridgeRequests checks that the bridge handles requests that BuildKit's client never
// sends. For example, a request with an unknown ID must fail with the code NotFound.
func TestBridgeRequests(t *testing.T) {
	m := newTestSolver(t, script.Step{Run: "*", Delay: time.Hour})
	b := bridge.New(m.client(t.TempDir(), nil), map[string]*pb.Definition{"in": {}})
	c := dial(t, b)
	ctx := t.Context()
	def, err := llb.Scratch().File(llb.Mkfile("/f", 0o644, []byte("text"))).Marshal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// The answers for clients that know no references, and no list of references.
	for want, req := range map[string]*gwpb.SolveRequest{
		`refDeprecated:"ref-`: {},
		`ref:{id:"ref-`:       {AllowResultReturn: true, AllowResultArrayRef: true},
	} {
		req.Definition = def.ToPB()
		res, err := c.Solve(ctx, req)
		if err != nil || !strings.Contains(strings.ReplaceAll(res.String(), " ", ""), want) || (res.Ref != "") == req.AllowResultReturn {
			t.Errorf("%v, %v, want %s", res, err, want)
		}
	}
	unknown := []error{
		second(c.ReadFile(ctx, &gwpb.ReadFileRequest{Ref: "ref-9", FilePath: "/f"})),
		second(c.ReadDir(ctx, &gwpb.ReadDirRequest{})),
		second(c.StatFile(ctx, &gwpb.StatFileRequest{Ref: "/f"})),
		second(c.Evaluate(ctx, &gwpb.EvaluateRequest{Ref: "ref-9"})),
		second(c.Return(ctx, &gwpb.ReturnRequest{Result: &gwpb.Result{Result: &gwpb.Result_RefDeprecated{RefDeprecated: "ref-9"}}})),
		second(c.ReadFileContainer(ctx, &gwpb.ReadFileRequest{Ref: "ref-0"})),
		second(c.ReadDirContainer(ctx, &gwpb.ReadDirRequest{})),
		second(c.StatFileContainer(ctx, &gwpb.StatFileRequest{})),
		second(c.ReleaseContainer(ctx, &gwpb.ReleaseContainerRequest{})),
	}
	for i, err := range unknown {
		if grpcerrors.Code(err) != codes.NotFound {
			t.Errorf("request %d with an unknown ID: %v", i, err)
		}
	}
	in, err := c.Inputs(ctx, &gwpb.InputsRequest{})
	if err != nil || in.Definitions["in"] == nil {
		t.Errorf("inputs %v, %v", in, err)
	}
	for _, req := range []*gwpb.ReturnRequest{{}, {Error: &spb.Status{}}} {
		if _, err := c.Return(ctx, req); grpcerrors.Code(err) != codes.InvalidArgument {
			t.Errorf("return %v: %v", req, err)
		}
	}
	last := &gwpb.SolveRequest{Definition: def.ToPB(), Final: true, ExporterAttr: []byte(`{"key":"dmFsdWU="}`)}
	if _, err := c.Solve(ctx, last); err != nil {
		t.Error(err)
	}
	res, err := b.Result()
	if err != nil || res.Ref == nil || string(res.Metadata["key"]) != "value" {
		t.Errorf("result of a final request: %v, %v", res, err)
	}
	if _, err := c.Return(ctx, &gwpb.ReturnRequest{Result: &gwpb.Result{}}); grpcerrors.Code(err) != codes.FailedPrecondition {
		t.Errorf("second result: %v", err)
	}
}

// second returns err. It drops the first result of a call that returns a value and an
// error.
func second[T any](_ T, err error) error { return err }

// TestBridgeProcesses checks that the bridge rejects invalid messages about processes,
// which BuildKit's client never sends, with the right status codes.
func TestBridgeProcesses(t *testing.T) {
	m := newTestSolver(t, script.Step{Run: "*", Delay: time.Hour})
	c := dial(t, bridge.New(m.client(t.TempDir(), nil), nil))
	if _, err := c.NewContainer(t.Context(), &gwpb.NewContainerRequest{ContainerID: "c", Mounts: []*pb.Mount{{Dest: "/"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.NewContainer(t.Context(), &gwpb.NewContainerRequest{ContainerID: "c", Mounts: []*pb.Mount{{Dest: "/"}}}); grpcerrors.Code(err) != codes.AlreadyExists {
		t.Errorf("second container with an ID: %v", err)
	}
	start := func(id, container string, fds ...uint32) *gwpb.ExecMessage {
		return &gwpb.ExecMessage{ProcessID: id, Input: &gwpb.ExecMessage_Init{Init: &gwpb.InitMessage{ContainerID: container, Meta: &pb.Meta{Args: []string{"x"}}, Fds: fds}}}
	}
	signal := func(id, name string) *gwpb.ExecMessage {
		return &gwpb.ExecMessage{ProcessID: id, Input: &gwpb.ExecMessage_Signal{Signal: &gwpb.SignalMessage{Name: name}}}
	}
	input := func(fd uint32) *gwpb.ExecMessage {
		return &gwpb.ExecMessage{ProcessID: "p", Input: &gwpb.ExecMessage_File{File: &gwpb.FdMessage{Fd: fd, EOF: true}}}
	}
	for want, list := range map[codes.Code][][]*gwpb.ExecMessage{
		codes.InvalidArgument: {
			{start("", "c")},
			{start("p", "c", 3)},
			{start("p", "c"), signal("p", "NONE")},
			{{ProcessID: "p", Input: &gwpb.ExecMessage_Init{Init: &gwpb.InitMessage{ContainerID: "c"}}}},
		},
		codes.NotFound:      {{signal("p", "TERM")}, {input(0)}},
		codes.AlreadyExists: {{start("p", "c"), start("p", "c")}},
		codes.OutOfRange:    {{start("p", "c"), input(0)}, {start("p", "c", 0), input(1)}},
	} {
		for _, messages := range list {
			_, err := converse(t, c, messages...)
			if grpcerrors.Code(err) != want {
				t.Errorf("%v: %v, want %s", messages, err, want)
			}
		}
	}
	// A process in an unknown container starts and fails, because the client waits for its
	// start. A process that runs is killed with the stream.
	got, err := converse(t, c, start("p", "gone"))
	if err != nil || len(got) != 3 || got[1].GetExit().GetCode() != gwpb.UnknownExitStatus || !strings.Contains(got[1].GetExit().GetError().GetMessage(), "not created") {
		t.Errorf("process in an unknown container: %v, %v", got, err)
	}
	if got, err := converse(t, c, start("p", "c", 0, 1)); err != nil || len(got) == 0 {
		t.Errorf("process that runs when the stream ends: %v, %v", got, err)
	}
}

// converse sends messages on a new stream and then closes the sending side. It returns the
// messages that it receives, and the error with which the stream ends.
func converse(t *testing.T, c gwpb.LLBBridgeClient, messages ...*gwpb.ExecMessage) (got []*gwpb.ExecMessage, err error) {
	t.Helper()
	s, err := c.ExecProcess(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if s.Send(m) != nil {
			break // Recv returns the error
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := s.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return got, err
		}
		got = append(got, m)
	}
}

// TestBridgeGarbage checks that the bridge closes a connection on which it receives bytes
// that do not follow the protocol.
func TestBridgeGarbage(t *testing.T) {
	b := bridge.New(newTestSolver(t).client(t.TempDir(), nil), nil)
	ours, theirs := net.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		b.Serve(t.Context(), ours)
	}()
	go func() {
		for {
			if _, err := theirs.Write([]byte(strings.Repeat("garbage", 100))); err != nil {
				return
			}
		}
	}()
	go func() {
		for buf := make([]byte, 1<<10); ; {
			if _, err := theirs.Read(buf); err != nil {
				return
			}
		}
	}()
	<-served
	if _, err := b.Result(); !errors.Is(err, bridge.ErrIncomplete) {
		t.Errorf("result %v", err)
	}
}
