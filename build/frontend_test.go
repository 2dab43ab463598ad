package build

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"slipway/frontend"
)

// toBuffer is an output that stays open.
type toBuffer struct{ io.Writer }

// Close implements [io.Closer].
func (toBuffer) Close() error { return nil }

// TestFrontend: another frontend builds in place of ours, and runs containers
// with the runner of the build.
func TestFrontend(t *testing.T) {
	o := options(t, testDockerfile)
	o.Outputs = []Output{{Type: "local", Dest: t.TempDir()}}
	var out bytes.Buffer
	o.Frontend = func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		res, err := frontend.Build(ctx, c)
		if err != nil {
			return nil, err
		}
		box, err := c.NewContainer(ctx, gateway.NewContainerRequest{Mounts: []gateway.Mount{{Dest: "/", Ref: res.Ref}}})
		if err != nil {
			return nil, err
		}
		p, err := box.Start(ctx, gateway.StartRequest{Args: []string{"/bin/sh", "-c", "cat b; echo x > c"}, Stdout: toBuffer{&out}})
		if err != nil {
			return nil, err
		}
		return res, errors.Join(p.Wait(), box.Release(ctx))
	}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if out.String() != "content\n" {
		t.Errorf("the container says %q", &out)
	}
	if _, err := os.Stat(filepath.Join(o.Outputs[0].Dest, "b")); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(o.Outputs[0].Dest, "c")); err == nil && !info.IsDir() {
		t.Error("what the container wrote is part of the image")
	}
}
