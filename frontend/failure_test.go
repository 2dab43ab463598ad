package frontend

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"slipway/internal/fakegateway"
)

// manyCalls returns a fake client for a build that makes every kind of call to the
// builder.
func manyCalls() *fakegateway.Client {
	c := fakegateway.New("FROM a AS x\nFROM b\nCOPY --from=x c d\nCOPY --from=files e f\nCOPY g h\n", map[string]string{
		"platform": "linux/amd64,linux/arm64", "context:files": "local:dir", "context:b": "docker-image://b2",
	})
	c.Files[".dockerignore"] = "no\n"
	return c
}

// checkLeaks calls f and checks that no goroutine that f started is still running
// afterwards.
func checkLeaks(t *testing.T, f func()) {
	t.Helper()
	before := runtime.NumGoroutine()
	f()
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines, before %d\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
}

// TestCanceled cancels the build during each of its calls. It checks that the build ends
// with the context's error and leaves no goroutines, whether the call returns immediately
// or hangs until the cancelation.
func TestCanceled(t *testing.T) {
	complete := manyCalls()
	if _, err := Build(t.Context(), complete); err != nil {
		t.Fatal(err)
	}
	calls := complete.Calls()
	if len(calls) < 12 {
		t.Errorf("%d calls, want at least 12: %v", len(calls), calls)
	}
	for i := range calls {
		checkLeaks(t, func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := manyCalls()
			var begun atomic.Int32
			c.Before = func(ctx context.Context, _ string) error {
				if int(begun.Add(1)) == i+1 {
					cancel()
					<-ctx.Done()
				}
				return ctx.Err()
			}
			_, err := Build(ctx, c)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("canceled at call %d, %s: error %v", i+1, calls[i], err)
			}
		})
	}
}

// TestNoAnswer checks that a build ends at its deadline if the builder never answers a
// call.
func TestNoAnswer(t *testing.T) {
	for _, call := range []string{"Solve", "ReadFile", "ResolveSourceMetadata", "Inputs"} {
		checkLeaks(t, func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			c := manyCalls()
			c.Before = func(ctx context.Context, name string) error {
				if name == call {
					<-ctx.Done()
				}
				return ctx.Err()
			}
			if _, err := Build(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("no answer to %s: error %v", call, err)
			}
		})
	}
}

// TestFailingCall checks that, if any call to the builder fails, the build reports the
// error once, with its gRPC code.
func TestFailingCall(t *testing.T) {
	complete := manyCalls()
	if _, err := Build(t.Context(), complete); err != nil {
		t.Fatal(err)
	}
	for i := range complete.Calls() {
		var begun atomic.Int32
		var call string
		c := manyCalls()
		c.Before = func(_ context.Context, name string) error {
			if int(begun.Add(1)) == i+1 {
				call = name
				return grpcerrors.FromGRPC(status.Error(codes.PermissionDenied, "you may not"))
			}
			return nil
		}
		checkLeaks(t, func() {
			_, err := Build(t.Context(), c)
			if err == nil && (call == "ReadFile" || call == "StatFile") {
				return // an unreadable ignore file counts as missing
			}
			err = grpcerrors.FromGRPC(grpcerrors.ToGRPC(t.Context(), err))
			if err == nil || grpcerrors.Code(err) != codes.PermissionDenied || strings.Count(err.Error(), "you may not") != 1 {
				t.Errorf("call %d, %s: error %v with code %v", i+1, call, err, grpcerrors.Code(err))
			}
		})
	}
}

// TestBadConfig checks the errors for invalid image configs from a registry.
func TestBadConfig(t *testing.T) {
	huge := `{"os":"linux","config":{"Env":["` + strings.Repeat("x", 17<<20) + `"]}}`
	for _, tc := range []struct {
		name, config, want string
		line               int32
	}{
		{"no JSON", "<html>", "failed to parse image config: invalid character '<' looking for beginning of value", 2},
		{"of another type", `{"config":{"Env":"PATH=/"}}`, "failed to parse image config: json: cannot unmarshal string into Go struct field DockerOCIImageConfig.config.ImageConfig.Env of type []string", 2},
		{"cut", `{"os":"linux"`, "failed to parse image config: unexpected end of JSON input", 2},
		{"17 MB", huge, "a: image config of docker.io/library/a:latest exceeds maximum allowed size of 16777216 bytes", 2},
		{"another platform's", `{"os":"windows","architecture":"ppc64le"}`, "", 0},
		{"empty", `{}`, "", 0},
		{"null", `null`, "", 0},
		{"no list of layers", `{"os":"linux","rootfs":{"diff_ids":null},"history":[{}]}`, "", 0},
		{"empty variable", `{"config":{"Env":["","=","A"],"WorkingDir":"x/..","OnBuild":[""]}}`, "file with no instructions", 2},
	} {
		c := fakegateway.New("# the base\nFROM a\nRUN x\n", nil)
		c.Config = tc.config
		_, err := Build(t.Context(), c)
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s: error %v", tc.name, err)
			}
			continue
		}
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s: error %v, want %s", tc.name, err, tc.want)
			continue
		}
		if s := errdefs.Sources(err); len(s) != 1 || len(s[0].Ranges) != 1 || s[0].Ranges[0].Start.Line != tc.line {
			t.Errorf("%s: locations %v", tc.name, s)
		}
	}
}

// TestDeletedDockerfile checks the error if the Dockerfile is deleted between stat and
// read.
func TestDeletedDockerfile(t *testing.T) {
	c := fakegateway.New("FROM a\n", nil)
	c.Size = 7
	c.Before = func(_ context.Context, call string) error {
		if call == "ReadFile" {
			return grpcerrors.FromGRPC(status.Error(codes.NotFound, "open Dockerfile: no such file or directory"))
		}
		return nil
	}
	_, err := Build(t.Context(), c)
	if err == nil || err.Error() != "NotFound: failed to read dockerfile: open Dockerfile: no such file or directory" {
		t.Errorf("error %v", err)
	}
}
