//go:build integration

package faults

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/integration/rig"
)

var builds = flag.Int("builds", 24, "number of concurrent builds")

// TestConcurrentBuilds checks that each of many concurrent builds gets its own result or
// error. A quarter of the builds succeed, and the others fail in three different ways. Builds
// whose frontend did not start in time are repeated one by one.
func TestConcurrentBuilds(t *testing.T) {
	ctx := withTimeout(t, 8*time.Minute)
	var wg sync.WaitGroup
	timedOut := make([]bool, *builds)
	for i := range *builds {
		wg.Go(func() { timedOut[i] = !buildOne(ctx, t, i) })
	}
	wg.Wait()
	again := 0
	for i := range *builds {
		if timedOut[i] {
			again++
			if !buildOne(ctx, t, i) {
				t.Errorf("build %d: the frontend does not start without other builds either", i)
			}
		}
	}
	t.Logf("%d of %d frontends did not start in time", again, *builds)
	wantNoProcess(t)
}

// buildOne runs build number i and checks its result. It returns false if the frontend did not
// start in time.
func buildOne(ctx context.Context, t *testing.T, i int) bool {
	dockerfile, want := numberedBuild(i)
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
	if strings.Contains(text.String(), rig.StartTimeout) {
		return false
	}
	if (err == nil) != (i%4 == 0) || !strings.Contains(text.String(), want) {
		t.Errorf("build %d: error %v\nwant %s\nin %s", i, err, want, text.String())
	}
	return true
}

// numberedBuild returns the Dockerfile of build number i and a text that depends on i. A build
// that must succeed prints the text in its log. The error of a build that must fail contains
// the text.
func numberedBuild(i int) (dockerfile, want string) {
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
