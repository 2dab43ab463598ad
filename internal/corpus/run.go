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

// patience is the timeout of a build. Builds run and fetch nothing, so a longer
// one hangs.
const patience = time.Minute

// Run builds a case with a frontend and returns a record of the build. platform
// is the value of the option platform; if it is "", the option is not set. A
// panic or a hang of the frontend is the error of the record. Run itself fails
// only if the case is malformed.
//
// If shuffle is not 0, it seeds the order in which concurrent requests are
// answered.
func Run(ctx context.Context, build gateway.BuildFunc, c *golden.Case, platform string, shuffle int) (*Record, error) {
	cl, err := NewClient(c, platform)
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
		cl.record.finish(nil, errors.New("the frontend does not return"))
	}
	return cl.record, nil
}
