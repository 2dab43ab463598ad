//go:build integration

package daemon

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/integration/frontendimage"
	"slipway/integration/rig"
	"slipway/integration/toolbox"
	"slipway/solver/runner/namespace"
)

// The two frontends, by the reference that a # syntax line names.
const (
	ours     = rig.Registry + "/slipway/dockerfile:1"
	upstream = rig.Registry + "/upstream/dockerfile:1"
)

// builder is the rig that all tests share: starting one takes seconds. It is
// set by TestMain alone.
var builder *rig.Rig

func TestMain(m *testing.M) {
	namespace.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, m)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration/daemon:", err)
		code = 1
	}
	os.Exit(code)
}

func run(ctx context.Context, m *testing.M) (code int, err error) {
	if builder, err = rig.Start(ctx, rig.Options{Log: os.Stderr}); err != nil {
		return 1, err
	}
	defer func() {
		if errClose := builder.Close(); err == nil {
			err = errClose
		}
	}()
	// The tests run on the main goroutine and know nothing of signals.
	defer context.AfterFunc(ctx, func() {
		builder.Close()
		os.Exit(1)
	})()
	if err := pushFrontends(ctx); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func pushFrontends(ctx context.Context) error {
	root, err := toolbox.Root()
	if err != nil {
		return err
	}
	binaries, err := frontendimage.Compile(ctx, root, []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}})
	if err != nil {
		return err
	}
	if err := push(ctx, "slipway/dockerfile:1", binaries); err != nil {
		return err
	}
	if binaries, err = frontendimage.Upstream(ctx, os.Stderr); err != nil {
		return err
	}
	return push(ctx, "upstream/dockerfile:1", binaries)
}

func push(ctx context.Context, repository string, binaries []frontendimage.Binary) error {
	index, err := frontendimage.Index(binaries)
	if err != nil {
		return err
	}
	return builder.PushImage(ctx, repository, index)
}
