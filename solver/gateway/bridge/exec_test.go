package bridge

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc"
)

// slowContainer is a fake container. Its processes start only when started is closed, and fail.
type slowContainer struct {
	client.Container
	started chan struct{}
}

func (c slowContainer) Start(context.Context, client.StartRequest) (client.ContainerProcess, error) {
	<-c.started
	return nil, errors.New("cannot start")
}

// recordedStream is a fake stream with one message from the frontend. It records the kinds of the
// messages that the frontend receives, and calls sent after each of them.
type recordedStream struct {
	grpc.ServerStream
	ctx   context.Context
	first *gwpb.ExecMessage // nil after it has been received
	kinds []string
	sent  func(kind string)
}

func (s *recordedStream) Context() context.Context { return s.ctx }

func (s *recordedStream) Recv() (*gwpb.ExecMessage, error) {
	m := s.first
	if s.first = nil; m == nil {
		return nil, io.EOF
	}
	return m, nil
}

func (s *recordedStream) Send(m *gwpb.ExecMessage) error {
	kind := map[bool]string{true: "started"}[m.GetStarted() != nil]
	switch {
	case m.GetExit() != nil:
		kind = "exit"
	case m.GetDone() != nil:
		kind = "done"
	}
	s.kinds = append(s.kinds, kind)
	s.sent(kind)
	return nil
}

// TestStartedFirst checks that the frontend receives the message that a process has started before
// the process has started. If the message came later, output of other processes could prevent
// BuildKit's client from receiving it.
func TestStartedFirst(t *testing.T) {
	c := slowContainer{started: make(chan struct{})}
	b := New(nil, nil)
	if err := b.addContainer("box", c); err != nil {
		t.Fatal(err)
	}
	s := &recordedStream{ctx: t.Context(), first: &gwpb.ExecMessage{ProcessID: "p", Input: &gwpb.ExecMessage_Init{Init: &gwpb.InitMessage{
		ContainerID: "box", Meta: &pb.Meta{Args: []string{"x"}},
	}}}}
	s.sent = func(kind string) {
		if kind == "started" {
			close(c.started)
		}
	}
	if err := b.ExecProcess(s); err != nil {
		t.Fatal(err)
	}
	if want := []string{"started", "exit", "done"}; !slices.Equal(s.kinds, want) {
		t.Errorf("messages %q, want %q", s.kinds, want)
	}
}
