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

// patience limits the time of one build. Nothing is built and nothing is
// fetched: longer is a hang.
const patience = time.Minute

// Run builds a case with a frontend for the value of the option platform, ""
// for none, and returns a record of it. A panic or a hang of the frontend is the
// error of the record. Run itself fails only if the case is malformed.
//
// If shuffle is not 0, concurrent lookups are answered in an order that depends
// on it.
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
		cl.record.finish(nil, errors.New("the frontend hangs"))
	}
	return cl.record, nil
}
