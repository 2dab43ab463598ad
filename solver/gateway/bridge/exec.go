package bridge

import (
	"context"
	"errors"
	"io"
	"sync"
	"syscall"

	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/moby/sys/signal"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ExecProcess implements [gwpb.LLBBridgeServer]. When the stream ends, it kills the processes
// that were started through it, and waits for them.
func (b *Bridge) ExecProcess(stream gwpb.LLBBridge_ExecProcessServer) error {
	x := &execStream{bridge: b, stream: stream, processes: map[string]*process{}}
	err := x.receive(stream.Context())
	x.end(stream.Context())
	return err
}

// execStream is a gRPC stream through which a frontend starts processes in containers and
// exchanges input and output with them.
type execStream struct {
	bridge    *Bridge
	stream    gwpb.LLBBridge_ExecProcessServer
	sending   sync.Mutex          // held while a message is sent
	processes map[string]*process // by ID, which the frontend chooses; also those that have ended
	waits     sync.WaitGroup
}

// process is a process that the frontend has started in a container.
type process struct {
	client.ContainerProcess                // nil if it could not be started
	stdin                   *io.PipeWriter // nil if the process has no standard input
}

// receive handles the messages that the frontend sends, until the stream ends. An invalid
// message is an error.
func (x *execStream) receive(ctx context.Context) error {
	for {
		m, err := x.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := x.handle(ctx, m); err != nil {
			return err
		}
	}
}

// handle starts a process or forwards a message to a process, as the message of the frontend
// requests. It returns an error if the message is invalid or names an unknown process.
func (x *execStream) handle(ctx context.Context, m *gwpb.ExecMessage) error {
	id := m.ProcessID
	if id == "" {
		return status.Error(codes.InvalidArgument, "ProcessID required")
	}
	p, ok := x.processes[id]
	if start := m.GetInit(); start != nil {
		if ok {
			return status.Errorf(codes.AlreadyExists, "Process %s already exists", id)
		}
		return x.start(ctx, id, start)
	}
	if !ok {
		return status.Errorf(codes.NotFound, "IO for process %q not found", id)
	}
	return p.handle(ctx, m)
}

// handle forwards input, a signal or a terminal size from a message to the process. If the
// process has ended, it ignores the message.
func (p *process) handle(ctx context.Context, m *gwpb.ExecMessage) error {
	switch in := m.Input.(type) {
	case *gwpb.ExecMessage_File:
		return p.write(in.File)
	case *gwpb.ExecMessage_Resize:
		if p.ContainerProcess != nil {
			_ = p.Resize(ctx, client.WinSize{Rows: in.Resize.Rows, Cols: in.Resize.Cols})
		}
	case *gwpb.ExecMessage_Signal:
		sig, ok := signal.SignalMap[in.Signal.Name]
		if !ok {
			return status.Errorf(codes.InvalidArgument, "Unknown signal %s", in.Signal.Name)
		}
		if p.ContainerProcess != nil {
			_ = p.Signal(ctx, sig)
		}
	}
	return nil
}

// write writes the data in a message to the standard input of the process. If the message
// marks the end of the input, write closes the standard input.
func (p *process) write(m *gwpb.FdMessage) error {
	if m.Fd != 0 || p.stdin == nil {
		return status.Errorf(codes.OutOfRange, "fd %d unavailable to write", m.Fd)
	}
	_, err := p.stdin.Write(m.Data) // fails if the process has ended
	if m.EOF || err != nil {
		return p.stdin.Close()
	}
	return nil
}

// start starts a process. The frontend receives the message that the process has started before
// the process starts. If the process cannot be started, its failure follows. Without the first
// message, BuildKit's client would wait forever.
//
// The message must not wait for the start: while BuildKit's client waits for it, the client may
// receive no further output of other processes. If such a process ends before, the client is
// blocked by its messages and never receives this one.
func (x *execStream) start(ctx context.Context, id string, m *gwpb.InitMessage) error {
	if m.Meta == nil {
		return status.Error(codes.InvalidArgument, "process meta is required")
	}
	r := client.StartRequest{
		Args: m.Meta.Args, Env: m.Meta.Env, SecretEnv: m.Secretenv, User: m.Meta.User, Cwd: m.Meta.Cwd, Tty: m.Tty,
		SecurityMode: m.Security, RemoveMountStubsRecursive: m.Meta.RemoveMountStubsRecursive,
	}
	p := &process{}
	for _, fd := range m.Fds {
		switch fd {
		case 0:
			r.Stdin, p.stdin = io.Pipe()
		case 1:
			r.Stdout = &outputWriter{x, id, fd}
		case 2:
			r.Stderr = &outputWriter{x, id, fd}
		default:
			return status.Errorf(codes.InvalidArgument, "fd %d is not supported", fd)
		}
	}
	x.processes[id] = p
	sendErr := x.send(&gwpb.ExecMessage{ProcessID: id, Input: &gwpb.ExecMessage_Started{Started: &gwpb.StartedMessage{}}})
	c, err := x.bridge.container(m.ContainerID)
	if err == nil {
		p.ContainerProcess, err = c.Start(ctx, r)
	}
	if err != nil && p.stdin != nil {
		err = errors.Join(err, r.Stdin.Close())
	}
	x.waits.Go(func() {
		if err == nil {
			err = p.Wait()
		}
		x.exited(ctx, id, m.Fds, err)
	})
	return sendErr
}

// exited sends the messages that follow the end of a process: the end of each output stream,
// the exit code, and the end of all messages. The parameter err is the error of the process,
// and fds contains the numbers of its standard streams.
func (x *execStream) exited(ctx context.Context, id string, fds []uint32, err error) {
	var list []*gwpb.ExecMessage
	for _, fd := range fds {
		if fd != 0 {
			list = append(list, &gwpb.ExecMessage{Input: &gwpb.ExecMessage_File{File: &gwpb.FdMessage{Fd: fd, EOF: true}}})
		}
	}
	list = append(list,
		&gwpb.ExecMessage{Input: &gwpb.ExecMessage_Exit{Exit: exitMessage(ctx, err)}},
		&gwpb.ExecMessage{Input: &gwpb.ExecMessage_Done{Done: &gwpb.DoneMessage{}}},
	)
	for _, m := range list {
		m.ProcessID = id
		if x.send(m) != nil {
			return // the stream has ended
		}
	}
}

// exitMessage returns the message with the exit code and the error of a process. The
// parameter err is the error of the process, or nil if the process was successful.
func exitMessage(ctx context.Context, err error) *gwpb.ExitMessage {
	if err == nil {
		return &gwpb.ExitMessage{}
	}
	m := &gwpb.ExitMessage{Code: gwpb.UnknownExitStatus}
	if exit := (*gwpb.ExitError)(nil); errors.As(err, &exit) {
		m.Code = exit.ExitCode
	}
	st, _ := status.FromError(grpcerrors.ToGRPC(ctx, err))
	p := st.Proto()
	m.Error = &spb.Status{Code: p.Code, Message: p.Message, Details: p.Details}
	return m
}

// send sends a message to the frontend. Safe for concurrent use.
func (x *execStream) send(m *gwpb.ExecMessage) error {
	x.sending.Lock()
	defer x.sending.Unlock()
	return x.stream.Send(m)
}

// end kills the processes that are still running and waits for all processes.
func (x *execStream) end(ctx context.Context) {
	for _, p := range x.processes {
		if p.stdin != nil {
			_ = p.stdin.Close()
		}
		if p.ContainerProcess != nil {
			_ = p.Signal(ctx, syscall.SIGKILL) // does nothing if the process has ended
		}
	}
	x.waits.Wait()
}

// outputWriter sends the output of a process to the frontend.
type outputWriter struct {
	stream *execStream
	id     string
	fd     uint32
}

// maxOutput is the maximum number of bytes of process output in one message.
const maxOutput = 32 << 10

// Write implements [io.Writer].
func (w *outputWriter) Write(data []byte) (n int, err error) {
	for n < len(data) {
		part := data[n:min(len(data), n+maxOutput)]
		m := &gwpb.ExecMessage{ProcessID: w.id, Input: &gwpb.ExecMessage_File{File: &gwpb.FdMessage{Fd: w.fd, Data: part}}}
		if err := w.stream.send(m); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// Close implements [io.Closer]. It does nothing, because the end of the output is sent when
// the process ends.
func (w *outputWriter) Close() error { return nil }
