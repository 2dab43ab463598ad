//go:build integration

package buildfaults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"slipway/integration/poll"
)

// hostileFrontends are the programs of frontend images. If want is "", the program does not end:
// the client cancels the build.
var hostileFrontends = []struct{ name, script, want string }{
	{"exits", "exit 0", "no result for incomplete build"},
	{"fails", "echo broken >&2; exit 3", "exit code: 3"},
	{"garbage", "cat /bin/sh", "frontend grpc server closed unexpectedly"},
	{"forks", "(sleep 1000 &); (sleep 1000 &); exit 0", "no result for incomplete build"},
	{"silent", "sleep 1000", ""},
	{"floods", "while :; do cat /bin/sh >&2; done", ""},
	{"floods the connection", "while :; do cat /bin/sh; done", ""},
}

// TestHostileFrontends runs frontend images on a server, whose programs misbehave. Each build
// fails with a clear error, or ends when its client cancels it. No process, mount or temporary file
// remains while the server runs, and the builds of other clients succeed.
func TestHostileFrontends(t *testing.T) {
	t.Parallel()
	s := newSite(t, "FROM base\nRUN echo good > /file\n")
	srv := s.serve()
	children := func() string { return processes(srv.cmd.Process.Pid) }
	if _, err := s.buildOn(t.Context(), srv, false, nil); err != nil {
		t.Fatalf("%v\n%s", err, srv.log())
	}
	before := strings.Count(children(), "\n")
	var wg sync.WaitGroup
	for i, f := range hostileFrontends {
		dir := newSite(t, fmt.Sprintf("FROM base\nENTRYPOINT [\"/bin/sh\", \"-c\", %q]\n", f.script))
		image := fmt.Sprint("hostile:", i)
		if err := dir.storeOn(srv, image); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			if f.want == "" {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
			}
			defer cancel()
			_, err := srv.Solve(ctx, nil, client.SolveOpt{Frontend: "gateway.v0", FrontendAttrs: map[string]string{"source": image}}, nil)
			if err == nil || !strings.Contains(err.Error(), f.want) || f.want != "" && ctx.Err() != nil {
				t.Errorf("%s: error %v, want %q", f.name, err, f.want)
			}
		})
	}
	if _, err := s.buildOn(t.Context(), srv, true, nil); err != nil {
		t.Errorf("a concurrent build of another client: %v", err)
	}
	wg.Wait()
	if !poll.Until(t.Context(), 20*time.Second, func() bool { return strings.Count(children(), "\n") <= before }) {
		t.Errorf("processes remain, want %d:\n%s", before, children())
	}
	s.checkNoTemp()
	if _, err := s.buildOn(t.Context(), srv, true, nil); err != nil {
		t.Errorf("a build of another client: %v", err)
	}
	for _, dir := range subdirectories(t, filepath.Join(s.state, "history")) {
		if info, err := os.Stat(filepath.Join(dir, "status")); err != nil || info.Size() > 16<<20 {
			t.Errorf("the progress of a build: %v, %v", info, err)
		}
	}
	srv.end(t, 15)
}
