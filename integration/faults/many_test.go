//go:build integration

package faults

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slipway/integration/rig"
)

// TestMany starts two hundred builds at once, of four kinds, each different from
// all others. Each gets its own result or its own error.
func TestMany(t *testing.T) {
	const builds = 200
	ctx := within(t, 8*time.Minute)
	var wg sync.WaitGroup
	var late atomic.Int32
	for i := range builds {
		wg.Go(func() {
			dockerfile, want := oneOfMany(i)
			res, err := builder.Build(ctx, rig.Request{Dockerfile: "# syntax=" + rig.Ours + "\n" + dockerfile})
			var text strings.Builder
			for _, l := range res.Logs {
				text.Write(l)
			}
			if err != nil {
				fmt.Fprint(&text, err)
			}
			if strings.Contains(text.String(), tooLate) {
				late.Add(1)
				return
			}
			if (err == nil) != (i%4 == 0) || !strings.Contains(text.String(), want) {
				t.Errorf("build %d: error %v\nwant %s\nin %s", i, err, want, text.String())
			}
		})
	}
	wg.Wait()
	if n := late.Load(); n > builds/10 {
		t.Errorf("%d frontends did not start in time", n)
	} else if n > 0 {
		t.Logf("%d frontends did not start in time", n)
	}
	nothingRuns(t)
}

// tooLate is the error of a frontend, whichever it is, that the builder gives up
// because its process could not say a word within ten seconds: with so many at
// once a slow machine cannot start them all.
const tooLate = "frontend grpc server closed unexpectedly"

// oneOfMany returns a Dockerfile and what its build has to say.
func oneOfMany(i int) (dockerfile, want string) {
	switch i % 4 {
	case 0:
		return fmt.Sprintf("FROM busybox\nRUN echo result-$((%d+1000))-\n", i), fmt.Sprintf("result-%d-", i+1000)
	case 1:
		return fmt.Sprintf("FROM busybox\nRUN exit %d\n", i+1), fmt.Sprintf("did not complete successfully: exit code: %d", i+1)
	case 2:
		return fmt.Sprintf("FROM busybox\nCOPPY-%d a b\n", i), fmt.Sprintf("unknown instruction: COPPY-%d", i)
	}
	return fmt.Sprintf("FROM nosuchimage-%d\n", i), fmt.Sprintf("nosuchimage-%d:latest: not found", i)
}
