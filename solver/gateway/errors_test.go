package gateway_test

import (
	"context"
	"errors"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/protobuf/testing/protocmp"

	"slipway/solver"
	"slipway/solver/runner/script"
)

// TestTypedErrors checks that the errors from failed operations have the types and texts
// that clients of BuildKit's gateway expect.
func TestTypedErrors(t *testing.T) {
	m := newTestSolver(t, script.Step{Run: "fail", Exit: 4})
	c := m.client(t.TempDir(), nil)
	src := llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", []byte("line 1\nline 2\n"))
	at := src.Location([]*pb.Range{{Start: &pb.Position{Line: 2}, End: &pb.Position{Line: 2}}})
	id := regexp.MustCompile(`\bresult-\d+\b`)
	old := llb.Scratch().File(llb.Mkfile("/old", 0o644, nil))
	for _, tc := range []struct {
		name           string
		st             llb.State
		text           string
		exit           uint32 // exit code of the process; 0 if no process failed
		subject        errdefs.IsSolve_Subject
		inputs, mounts int
	}{
		{"process", llb.Scratch().Run(llb.Args([]string{"fail"}), at, llb.WithCustomName("its name")).Root(), `process "fail" did not complete successfully: exit code: 4`, 4, nil, 1, 1},
		{"action", old.File(llb.Mkfile("/a", 0o644, nil).Rm("/gone"), at), "rm /gone: no such file or directory", 0, &errdefs.Solve_File{File: &errdefs.FileAction{Index: 1}}, 1, 2},
		{"key", llb.Scratch().File(llb.Copy(old, "/gone", "/"), at), `failed to compute cache key: failed to calculate checksum of ref ID: "/gone": not found`, 0, &errdefs.Solve_Cache{Cache: &errdefs.ContentCache{}}, 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			def, err := tc.st.Marshal(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Solve(t.Context(), client.SolveRequest{Definition: def.ToPB(), Evaluate: true})
			if err == nil || id.ReplaceAllString(err.Error(), "ID") != tc.text {
				t.Errorf("error %v, want %s", err, tc.text)
			}
			var exit *gwpb.ExitError
			if errors.As(err, &exit) != (tc.exit != 0) || exit != nil && (exit.ExitCode != tc.exit || exit.Error() != tc.text) {
				t.Errorf("exit error %v, want code %d", exit, tc.exit)
			}
			var vertex *errdefs.VertexError
			var solve *errdefs.SolveError
			var named *solver.Error
			if !errors.As(err, &vertex) || !errors.As(err, &solve) || !errors.As(err, &named) {
				t.Fatalf("types %T", err)
			}
			if list := errdefs.Sources(err); len(list) != 1 || list[0].Info.Filename != "Dockerfile" || list[0].Ranges[0].Start.Line != 2 {
				t.Errorf("sources %v, want line 2", list)
			}
			if vertex.Digest != string(named.Vertex.Digest) || len(solve.InputIDs) != tc.inputs || len(solve.MountIDs) != tc.mounts {
				t.Errorf("vertex %s, inputs %q, mounts %q", vertex.Digest, solve.InputIDs, solve.MountIDs)
			}
			if diff := cmp.Diff(&errdefs.Solve{Subject: tc.subject}, &errdefs.Solve{Subject: solve.Subject}, protocmp.Transform()); diff != "" {
				t.Errorf("subject (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnknownExit checks the error from a process that fails without an exit code: it has
// the text of the cause and BuildKit's code for an unknown exit status.
func TestUnknownExit(t *testing.T) {
	cause := errors.New("no such program")
	m := newTestSolver(t, script.Step{Run: "fail", Do: func(context.Context, *script.Call) error { return cause }})
	box := root(t, m.client(t.TempDir(), nil), llb.Scratch().File(llb.Mkfile("/f", 0o600, nil)))
	p, err := box.Start(t.Context(), client.StartRequest{Args: []string{"fail"}})
	if err != nil {
		t.Fatal(err)
	}
	var exit *gwpb.ExitError
	if err = p.Wait(); !errors.As(err, &exit) || exit.ExitCode != gwpb.UnknownExitStatus || !errors.Is(err, cause) || err.Error() != exit.Err.Error() {
		t.Errorf("error %v, want exit code %d of %v", err, gwpb.UnknownExitStatus, cause)
	}
	_ = box.Release(t.Context()) // returns the error from the process
	if p, err = box.Start(t.Context(), client.StartRequest{Args: []string{"fail"}}); err != nil {
		t.Fatal(err)
	}
	exit = nil
	if err = p.Wait(); !errors.As(err, &exit) || exit.ExitCode != gwpb.UnknownExitStatus {
		t.Errorf("process that cannot start: error %v, want exit code %d", err, gwpb.UnknownExitStatus)
	}
}
