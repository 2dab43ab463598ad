package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	pb "github.com/moby/buildkit/frontend/gateway/pb"
	opspb "github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestMain runs the tests, unless a test has started this process as the frontend. In that
// case, it runs the program.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_FRONTEND") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// fakeBuilder is a gateway server whose build context contains a Dockerfile. The field solve is
// the function that handles Solve requests.
type fakeBuilder struct {
	pb.UnimplementedLLBBridgeServer
	dockerfile string
	solve      func(context.Context) error // returns the error for a Solve request
	returned   chan *pb.ReturnRequest
}

func (b *fakeBuilder) Ping(context.Context, *pb.PingRequest) (*pb.PongResponse, error) {
	return &pb.PongResponse{
		FrontendAPICaps: pb.Caps.All(),
		LLBCaps:         opspb.Caps.All(),
	}, nil
}

func (b *fakeBuilder) Inputs(context.Context, *pb.InputsRequest) (*pb.InputsResponse, error) {
	return &pb.InputsResponse{}, nil
}

func (b *fakeBuilder) Solve(ctx context.Context, _ *pb.SolveRequest) (*pb.SolveResponse, error) {
	if err := b.solve(ctx); err != nil {
		return nil, err
	}
	return &pb.SolveResponse{Result: &pb.Result{Result: &pb.Result_Ref{Ref: &pb.Ref{Id: "ref"}}}}, nil
}

func (b *fakeBuilder) ReadFile(_ context.Context, req *pb.ReadFileRequest) (*pb.ReadFileResponse, error) {
	if req.FilePath != "Dockerfile" {
		return nil, status.Error(codes.NotFound, "no such file")
	}
	return &pb.ReadFileResponse{Data: []byte(b.dockerfile)}, nil
}

func (b *fakeBuilder) Return(_ context.Context, req *pb.ReturnRequest) (*pb.ReturnResponse, error) {
	b.returned <- req
	return &pb.ReturnResponse{}, nil
}

// process is a running dockerfile-frontend program that is connected to a fakeBuilder.
type process struct {
	cmd    *exec.Cmd
	server *grpc.Server
	stderr bytes.Buffer
}

// start runs the program with its standard input and output connected to the fakeBuilder
// b.
func start(t *testing.T, b *fakeBuilder) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0]), server: grpc.NewServer()}
	p.cmd.Env = []string{"RUN_FRONTEND=1"}
	p.cmd.Stderr = &p.stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it has ended, unless the test failed
		p.server.Stop()
	})
	pb.RegisterLLBBridgeServer(p.server, b)
	conns := make(chan net.Conn, 1)
	conns <- &stdio{Reader: out, WriteCloser: in}
	go func() { _ = p.server.Serve(connListener{conns}) }() // ends with Stop
	return p
}

// exit waits until the program has ended and returns its exit code.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	timer := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
	err := p.cmd.Wait()
	if !timer.Stop() {
		t.Fatalf("the program does not end; stderr: %s", p.stderr.String())
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// newFakeBuilder returns a fakeBuilder that handles Solve requests with the given function.
func newFakeBuilder(solve func(context.Context) error) *fakeBuilder {
	return &fakeBuilder{dockerfile: "FROM scratch\nCOPY a b\n", solve: solve, returned: make(chan *pb.ReturnRequest, 1)}
}

// succeed is a function for newFakeBuilder that makes every Solve request succeed.
func succeed(context.Context) error { return nil }

// TestSuccess checks that, after a successful build, the program has returned the result and
// exits with status 0.
func TestSuccess(t *testing.T) {
	b := newFakeBuilder(succeed)
	p := start(t, b)
	if code := p.exit(t); code != 0 || p.stderr.Len() > 0 {
		t.Errorf("unexpected exit code %d, stderr: %s", code, p.stderr.String())
	}
	if req := <-b.returned; req.Error != nil || req.Result == nil {
		t.Errorf("returned %v", req)
	}
}

// TestFailure checks that the program reports a failed build to the builder and in its
// exit code.
func TestFailure(t *testing.T) {
	b := newFakeBuilder(succeed)
	b.dockerfile = "FROM scratch\nCOPPY a b\n"
	p := start(t, b)
	if code := p.exit(t); code != 1 || !strings.Contains(p.stderr.String(), "unknown instruction: COPPY") {
		t.Errorf("unexpected exit code %d, stderr: %s", code, p.stderr.String())
	}
	if req := <-b.returned; !strings.Contains(req.GetError().GetMessage(), "unknown instruction: COPPY") {
		t.Errorf("returned %v", req)
	}
}

// startWaiting starts the program with a builder that never answers a Solve request. It returns
// when the program waits for the answer.
func startWaiting(t *testing.T) *process {
	t.Helper()
	asked := make(chan struct{}, 10)
	p := start(t, newFakeBuilder(func(ctx context.Context) error {
		asked <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}))
	select {
	case <-asked:
	case <-time.After(20 * time.Second):
		t.Fatal("the program sends no request")
	}
	return p
}

// TestLostBuilder checks that the program ends with an error if the connection to the builder
// is lost, or if its standard input is not connected to a builder.
func TestLostBuilder(t *testing.T) {
	p := startWaiting(t)
	p.server.Stop()
	if code := p.exit(t); code != 1 || p.stderr.Len() == 0 {
		t.Errorf("unexpected exit code %d, stderr: %s", code, p.stderr.String())
	}

	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"RUN_FRONTEND=1"}
	cmd.Stdin = strings.NewReader("this is no builder\n")
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "dockerfile-frontend: ") {
		t.Errorf("without a builder: %v, stderr %q", err, out)
	}
}

// TestTerminated checks that the program ends on SIGTERM.
func TestTerminated(t *testing.T) {
	p := startWaiting(t)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.exit(t); code != 1 {
		t.Errorf("unexpected exit code %d, stderr: %s", code, p.stderr.String())
	}
}

// connListener is a net.Listener that accepts the given connections and then blocks.
type connListener struct{ conns chan net.Conn }

func (l connListener) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l connListener) Close() error   { close(l.conns); return nil }
func (l connListener) Addr() net.Addr { return &net.UnixAddr{Name: "stdio", Net: "unix"} }

// stdio is a net.Conn that reads from one pipe and writes to another.
type stdio struct {
	io.Reader
	io.WriteCloser
	once sync.Once
}

func (s *stdio) Close() (err error) {
	s.once.Do(func() { err = s.WriteCloser.Close() })
	return err
}

func (s *stdio) LocalAddr() net.Addr              { return &net.UnixAddr{Name: "stdio", Net: "unix"} }
func (s *stdio) RemoteAddr() net.Addr             { return s.LocalAddr() }
func (s *stdio) SetDeadline(time.Time) error      { return nil }
func (s *stdio) SetReadDeadline(time.Time) error  { return nil }
func (s *stdio) SetWriteDeadline(time.Time) error { return nil }
