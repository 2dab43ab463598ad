package corpus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"slipway/internal/golden"
)

// runTimeout is the maximum duration of a build. Builds do not execute or fetch anything, so a
// build that takes longer is stuck.
const runTimeout = time.Minute

// Run builds a case with a frontend and records the build. The parameter platform is the value
// of the frontend option "platform". If it is "", the option is not set. If shuffle is not 0,
// it is the seed for random delays, which vary the order in which concurrent requests are
// answered.
//
// Run returns an error only if the case is malformed. If the frontend fails, panics or does
// not return, Record.Err is the error.
func Run(ctx context.Context, build gateway.BuildFunc, c *golden.Case, platform string, shuffle int) (*Record, error) {
	cl, err := NewClient(c, platform)
	if err != nil {
		return nil, err
	}
	cl.record.MultiPlatform = strings.Contains(platform, ",")
	cl.seed = shuffle
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
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
	case <-time.After(runTimeout + time.Second):
		cl.record.finish(nil, errors.New("the frontend does not return"))
	}
	return cl.record, nil
}
