package differential

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/builder"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"slipway/frontend"
	"slipway/internal/golden"
)

// patience is how long a frontend may take over one build. Nothing is built
// and nothing is fetched: longer is a hang.
const patience = time.Minute

// Upstream returns the frontend of docker/dockerfile.
func Upstream() gateway.BuildFunc { return builder.Build }

// Ours returns the frontend of this module.
func Ours() gateway.BuildFunc { return frontend.Build }

// Run builds a case with a frontend for the value of the option platform, ""
// for none, and returns what it did. A panic and a hang of the frontend end in
// the record as its error. Run itself fails only if the case is malformed.
func Run(ctx context.Context, build gateway.BuildFunc, c *golden.Case, platform string) (*Record, error) {
	return run(ctx, build, c, platform, 0)
}

// run is [Run] with lookups answered in another order.
func run(ctx context.Context, build gateway.BuildFunc, c *golden.Case, platform string, shuffle int) (*Record, error) {
	cl, err := newClient(c, platform)
	if err != nil {
		return nil, err
	}
	cl.record.Several = strings.Contains(platform, ",")
	cl.shuffle = shuffle
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	type outcome struct {
		res *gateway.Result
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- outcome{err: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
			}
		}()
		res, err := build(ctx, cl)
		done <- outcome{res, err}
	}()
	select {
	case o := <-done:
		cl.record.finish(o.res, o.err)
	case <-time.After(patience + time.Second):
		cl.record.finish(nil, fmt.Errorf("the frontend hangs"))
	}
	return cl.record, nil
}
