package server

import (
	"context"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/tonistiigi/fsutil"

	"slipway/builder"
)

// blockingFS is a directory in which opening a file calls opened and then waits for released.
type blockingFS struct {
	fsutil.FS
	opened   func()
	released <-chan struct{}
}

func (b blockingFS) Open(name string) (io.ReadCloser, error) {
	b.opened()
	<-b.released
	return b.FS.Open(name)
}

// TestVanish closes the connection of a client in each phase of a build: no goroutine remains, and
// the next build succeeds.
func TestVanish(t *testing.T) {
	s := startServer(t, builder.Options{})
	files := contextDir(t, map[string]string{"Dockerfile": base + "RUN echo started; while :; do cat /bin/sh; done\n", "a.txt": "content\n"})
	good := func() {
		t.Helper()
		c := connect(t, s.address)
		if _, err := c.Solve(t.Context(), nil, dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": hello, "a.txt": "x"})), nil); err != nil {
			t.Errorf("a build of another client: %v", err)
		}
		_ = c.Close()
	}
	good()
	before := runtime.NumGoroutine()
	for phase, start := range map[string]func(ctx context.Context, c *client.Client, reached func(), gone <-chan struct{}){
		"transfer": func(ctx context.Context, c *client.Client, reached func(), gone <-chan struct{}) {
			_, _ = c.Solve(ctx, nil, dockerfileOpt(blockingFS{files, reached, gone}), nil)
		},
		"step": func(ctx context.Context, c *client.Client, reached func(), _ <-chan struct{}) {
			ch := make(chan *client.SolveStatus)
			go func() {
				for m := range ch {
					if len(m.Logs) > 0 {
						reached()
					}
				}
			}()
			_, _ = c.Solve(ctx, nil, dockerfileOpt(files), ch)
		},
		"frontend": func(ctx context.Context, c *client.Client, reached func(), gone <-chan struct{}) {
			_, _ = c.Build(ctx, client.SolveOpt{}, "test", func(context.Context, gateway.Client) (*gateway.Result, error) {
				reached()
				<-gone
				return nil, context.Canceled
			}, nil)
		},
		"status": func(ctx context.Context, c *client.Client, reached func(), _ <-chan struct{}) {
			stream, err := c.ControlClient().Status(ctx, &controlapi.StatusRequest{Ref: "unknown"})
			reached()
			if err == nil {
				_, _ = stream.Recv()
			}
		},
		"history": func(ctx context.Context, c *client.Client, reached func(), _ <-chan struct{}) {
			stream, err := c.ControlClient().ListenBuildHistory(ctx, &controlapi.BuildHistoryRequest{})
			reached()
			for err == nil {
				_, err = stream.Recv()
			}
		},
	} {
		c := connect(t, s.address)
		reached, gone := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { start(t.Context(), c, sync.OnceFunc(func() { close(reached) }), gone) })
		<-reached
		_ = c.Close()
		close(gone)
		wg.Wait()
		deadline := time.Now().Add(20 * time.Second)
		for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
		}
		if n := runtime.NumGoroutine(); n > before {
			buf := make([]byte, 1<<16)
			t.Errorf("%s: %d goroutines remain, want %d:\n%s", phase, n, before, buf[:runtime.Stack(buf, true)])
		}
		good()
	}
}
