package llbsource

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
)

// TestWaiterEnds checks that Sources.Open returns when the caller's context ends, even if it
// waits for a request that another caller has started.
func TestWaiterEnds(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-release
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	for _, op := range []*pb.SourceOp{
		{Identifier: server.URL + "/file"},
		{Identifier: "docker-image://" + host + "/library/x:1"},
		gitOp(server.URL+"/repository.git", ""),
	} {
		s := newSources(t)
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error)
		go func() {
			_, err := s.Open(ctx, op, nil)
			first <- err
		}()
		<-asked
		ended, end := context.WithCancelCause(t.Context())
		cause := errors.New("the waiter's context ended")
		end(cause)
		waiter := make(chan error, 1)
		go func() {
			_, err := s.Open(ended, op, nil)
			waiter <- err
		}()
		select {
		case err := <-waiter:
			if !errors.Is(err, cause) {
				t.Errorf("%s: the waiter got %v, want %v", op.Identifier, err, cause)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s: the waiter does not notice that its context ended", op.Identifier)
		}
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the canceled caller got %v", op.Identifier, err)
		}
	}
	close(release)
}
