//go:build integration

package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"slipway/builder"
)

// TestGatewayErrors checks that errors from our gateway have the same gRPC codes and types as
// errors from BuildKit's gateway. For failed processes, the text must be equal, too.
func TestGatewayErrors(t *testing.T) {
	at := llb.NewSourceMap(nil, "f", "f", []byte("1\n2\n")).Location([]*pb.Range{{Start: &pb.Position{Line: 2}, End: &pb.Position{Line: 2}}})
	old := llb.Scratch().File(llb.Mkfile("/old", 0o644, nil))
	for name, st := range map[string]llb.State{
		"process": llb.Image("busybox").Run(llb.Args([]string{"sh", "-c", "exit 4"}), at, llb.WithCustomName("its name")).Root(),
		"action":  old.File(llb.Mkfile("/a", 0o644, nil).Rm("/gone"), at),
		"key":     llb.Scratch().File(llb.Copy(old, "/gone", "/"), at),
	} {
		t.Run(name, func(t *testing.T) {
			var want, got string
			if _, err := shared.Client.Build(t.Context(), client.SolveOpt{}, "", describeError(st, &want), nil); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "Dockerfile"), nil) // required by the client, unused by the frontend
			err := builder.Run(t.Context(), builder.Options{
				Context: dir, Frontend: describeError(st, &got), Runner: "namespace",
				State: t.TempDir(), Now: time.Now, Mirrors: map[string]string{"docker.io": shared.Addr},
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("error (-BuildKit +ours):\n%s", diff)
			}
		})
	}
}

// describeError returns a frontend that solves the LLB state st and stores a description of
// the resulting error in *text. The frontend itself returns an empty result.
func describeError(st llb.State, text *string) gateway.BuildFunc {
	return func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		def, err := st.Marshal(ctx, llb.LinuxAmd64)
		if err != nil {
			return nil, err
		}
		_, err = c.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: true})
		var exit *gwpb.ExitError
		var vertex *errdefs.VertexError
		var solve *errdefs.SolveError
		if !errors.As(err, &vertex) || !errors.As(err, &solve) {
			return nil, fmt.Errorf("types of %w", err)
		}
		if errors.As(err, &exit) {
			*text = fmt.Sprintf("%v\nexit code %d: %v\n", err, exit.ExitCode, exit)
		}
		*text += fmt.Sprintf("vertex %s, %d inputs, %d mounts\nsubject %T %v %v\nsources %v", vertex.Digest,
			len(solve.InputIDs), len(solve.MountIDs), solve.Subject, solve.GetFile().GetIndex(), solve.GetCache().GetIndex(), errdefs.Sources(err))
		return gateway.NewResult(), nil
	}
}
