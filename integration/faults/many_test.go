//go:build integration

package faults

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/integration/rig"
)

// TestMany starts two hundred different builds of four kinds concurrently. Each
// gets its own result or error. Builds whose frontend timed out are repeated
// later.
func TestMany(t *testing.T) {
	const builds = 200
	ctx := within(t, 8*time.Minute)
	var wg sync.WaitGroup
	late := make([]bool, builds)
	for i := range builds {
		wg.Go(func() { late[i] = !buildOne(ctx, t, i) })
	}
	wg.Wait()
	again := 0
	for i := range builds {
		if late[i] {
			again++
			if !buildOne(ctx, t, i) {
				t.Errorf("build %d: the frontend does not start without other builds either", i)
			}
		}
	}
	t.Logf("%d of %d frontends did not start in time", again, builds)
	nothingRuns(t)
}

// buildOne runs one of the builds and checks its result. It returns false if
// the start of the frontend timed out.
func buildOne(ctx context.Context, t *testing.T, i int) bool {
	dockerfile, want := oneOfMany(i)
	res, err := builder.Build(ctx, rig.Request{Dockerfile: "# syntax=" + rig.Ours + "\n" + dockerfile})
	if res == nil {
		t.Errorf("build %d: %v", i, err)
		return true
	}
	var text strings.Builder
	for _, l := range res.Logs {
		text.Write(l)
	}
	if err != nil {
		fmt.Fprint(&text, err)
	}
	if strings.Contains(text.String(), tooLate) {
		return false
	}
	if (err == nil) != (i%4 == 0) || !strings.Contains(text.String(), want) {
		t.Errorf("build %d: error %v\nwant %s\nin %s", i, err, want, text.String())
	}
	return true
}

// tooLate is the error for any frontend whose process does not respond within
// ten seconds. A slow machine cannot start so many concurrently.
const tooLate = "frontend grpc server closed unexpectedly"

// oneOfMany returns a Dockerfile and the expected text of its build.
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
