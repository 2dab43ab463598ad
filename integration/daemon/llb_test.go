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

// TestDefinitions checks that our solver and BuildKit create equal layers for LLB that no
// Dockerfile can express. Examples are the file, merge and diff operations in BuildKit's
// client tests.
func TestDefinitions(t *testing.T) {
	state := t.TempDir()
	t.Run("cases", func(t *testing.T) {
		for _, c := range definitions() {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				want, wantErr := solveReference(t, c.state)
				got, gotErr := solveState(t, c.state, state)
				if c.wantErr != "" {
					for _, err := range []error{wantErr, gotErr} {
						if err == nil || !strings.Contains(err.Error(), c.wantErr) {
							t.Errorf("error %v, want one with %q", err, c.wantErr)
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

// stateFrontend returns a frontend that solves the LLB state st and returns its result.
func stateFrontend(st llb.State) gateway.BuildFunc {
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
	}}}, "", stateFrontend(st), nil)
	if err != nil {
		return nil, err
	}
	return readArchive(t, archive), nil
}

func solveState(t *testing.T, st llb.State, state string) ([]imagetree.Image, error) {
	t.Helper()
	dir := t.TempDir()
	archive := filepath.Join(dir, "image.tar")
	writeFile(t, filepath.Join(dir, "Dockerfile"), nil) // required by the client, unused by the frontend
	err := builder.Run(t.Context(), builder.Options{
		Context: dir, Frontend: stateFrontend(st), Runner: "namespace",
		Outputs: []builder.Output{{Type: "oci", Dest: archive}},
		State:   state, Now: time.Now, Mirrors: map[string]string{"docker.io": shared.Addr},
	})
	if err != nil {
		return nil, err
	}
	return readArchive(t, archive), nil
}

// layersOf returns a description of the layers of the images. It omits the image configs,
// because the frontend of TestDefinitions does not set them.
func layersOf(images []imagetree.Image) string {
	var b strings.Builder
	for _, image := range images {
		image.Config = ""
		fmt.Fprintln(&b, image)
	}
	return b.String()
}
