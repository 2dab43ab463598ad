//go:build integration

package daemon

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/errdefs"

	"slipway/builder"
	"slipway/builder/server"
	"slipway/integration/imagetree"
	"slipway/integration/rig"
)

// startServer starts our server of BuildKit's API in this process, with a state directory of its
// own. Its steps run in namespaces. It uses the registry of the shared builder.
func startServer(t *testing.T) *rig.Daemon {
	t.Helper()
	d := &rig.Daemon{Dir: t.TempDir()}
	o := builder.Options{Now: time.Now, Allow: []string{"network.host", "security.insecure"}}
	setState(filepath.Join(d.Dir, "state"), "namespace")(&o)
	s, err := server.New(server.Options{Build: o, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := shared.TempDir("s") // the path of a unix socket is limited to 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	d.Socket = "unix://" + filepath.Join(dir, "s")
	l, err := server.Listen(d.Socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	if d.Client, err = client.New(t.Context(), d.Socket); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Client.Close() })
	return d
}

var allServerCases = flag.Bool("all-server-cases", false, "build all cases in TestServer, not only one of five")

// TestServer checks that BuildKit's client gets equal images and errors from our server and from
// BuildKit. The cases are one of five of testdata/image and testdata/solver, or all with the
// flag -all-server-cases: TestImage and TestSolver build all of them without a server.
func TestServer(t *testing.T) {
	d := startServer(t)
	for i, c := range slices.Concat(readCases(t, "image"), readCases(t, "solver")) {
		if i%5 != 0 && !*allServerCases {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := c.build(t, buildWithBuildKit)
			got := c.build(t, func(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
				images, err := buildWith(t, d, req)
				return images, withSources(err)
			})
			if diff := imagetree.Difference(want, got); diff != "" {
				t.Errorf("%s\nimage (-BuildKit +server):\n%s", c.About, diff)
			}
		})
	}
}

// withSources adds the lines of the Dockerfile that caused err to its text, as clients show them.
func withSources(err error) error {
	if err == nil {
		return nil
	}
	var text bytes.Buffer
	for _, s := range errdefs.Sources(err) {
		if err := s.Print(&text); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w\n%s", err, &text)
}
