//go:build integration

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"slipway/builder"
	"slipway/integration/imagetree"
)

// TestDefinitions solves operations that no Dockerfile can express, among them
// the file operations, merges and differences of BuildKit's client tests, with
// our solver and with BuildKit, and compares the layers.
func TestDefinitions(t *testing.T) {
	state := t.TempDir()
	t.Run("cases", func(t *testing.T) {
		for _, c := range definitions() {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				want, wantErr := solveReference(t, c.state)
				got, gotErr := solveState(t, c.state, state)
				if c.fails != "" {
					for _, err := range []error{wantErr, gotErr} {
						if err == nil || !strings.Contains(err.Error(), c.fails) {
							t.Errorf("error %v, want one with %q", err, c.fails)
						}
					}
					return
				}
				if err := errors.Join(wantErr, gotErr); err != nil {
					t.Fatal(err)
				}
				if diff := imagetree.Difference(layersOf(want), layersOf(got)); diff != "" {
					t.Errorf("layers (-BuildKit +solver):\n%s", diff)
				}
			})
		}
	})
}

// frontendOf returns a frontend whose result is the given state.
func frontendOf(st llb.State) gateway.BuildFunc {
	return func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		def, err := st.Marshal(ctx)
		if err != nil {
			return nil, err
		}
		solved, err := c.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: true})
		if err != nil {
			return nil, err
		}
		ref, err := solved.SingleRef()
		if err != nil {
			return nil, err
		}
		platform := exptypes.Platform{ID: "linux/amd64"}
		platform.Platform.OS, platform.Platform.Architecture = "linux", "amd64"
		list, err := json.Marshal(exptypes.Platforms{Platforms: []exptypes.Platform{platform}})
		if err != nil {
			return nil, err
		}
		res := gateway.NewResult()
		res.AddRef(platform.ID, ref)
		res.AddMeta(exptypes.ExporterPlatformsKey, list)
		res.AddMeta(exptypes.ExporterImageConfigKey+"/"+platform.ID, []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers"}}`))
		return res, nil
	}
}

func solveReference(t *testing.T, st llb.State) ([]imagetree.Image, error) {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "image.tar")
	_, err := shared.Client.Build(t.Context(), client.SolveOpt{Exports: []client.ExportEntry{{
		Type:   client.ExporterOCI,
		Output: func(map[string]string) (io.WriteCloser, error) { return os.Create(archive) },
	}}}, "", frontendOf(st), nil)
	if err != nil {
		return nil, err
	}
	return readArchive(t, archive), nil
}

func solveState(t *testing.T, st llb.State, state string) ([]imagetree.Image, error) {
	t.Helper()
	dir := t.TempDir()
	archive := filepath.Join(dir, "image.tar")
	writeFile(t, filepath.Join(dir, "Dockerfile"), nil) // not read by the frontend
	err := builder.Run(t.Context(), builder.Options{
		Context: dir, Frontend: frontendOf(st), Runner: "namespace",
		Outputs: []builder.Output{{Type: "oci", Dest: archive}},
		State:   state, Now: time.Now, Mirrors: map[string]string{"docker.io": shared.Addr},
	})
	if err != nil {
		return nil, err
	}
	return readArchive(t, archive), nil
}

// layersOf returns the layers of images as text. It omits the configs, which
// come from the frontend.
func layersOf(images []imagetree.Image) string {
	var b strings.Builder
	for _, image := range images {
		image.Config = ""
		fmt.Fprintln(&b, image)
	}
	return b.String()
}
