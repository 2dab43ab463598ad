package inputs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/fakegateway"
	"slipway/plan"
)

// silentBuilder is a builder that answers a request only when the request's context ends.
type silentBuilder struct {
	*fakegateway.Client
	requests chan struct{}
}

func (s *silentBuilder) Solve(ctx context.Context, _ client.SolveRequest) (*client.Result, error) {
	s.requests <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *silentBuilder) ResolveSourceMetadata(ctx context.Context, _ *pb.SourceOp, _ sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	s.requests <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestWaiterEnds checks two callers that wait for the same request, which only one of them
// made. The other caller must return when its own context ends.
func TestWaiterEnds(t *testing.T) {
	b := &silentBuilder{&fakegateway.Client{}, make(chan struct{})}
	in := newInputs(t, b, nil)
	for about, ask := range map[string]func(context.Context) error{
		"image":       func(ctx context.Context) error { _, err := in.Image(ctx, "x", plan.ImageQuery{}); return err },
		"ignore file": func(ctx context.Context) error { _, err := in.Ignore(ctx); return err },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error)
		go func() { first <- ask(ctx) }()
		<-b.requests
		ended, end := context.WithCancelCause(t.Context())
		cause := errors.New("the waiter's context ended")
		end(cause)
		waiter := make(chan error, 1)
		go func() { waiter <- ask(ended) }()
		select {
		case err := <-waiter:
			if !errors.Is(err, cause) {
				t.Errorf("%s: the waiter got %v, want %v", about, err, cause)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s: the waiter does not return when its context ends", about)
		}
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the canceled caller got %v", about, err)
		}
	}
}
