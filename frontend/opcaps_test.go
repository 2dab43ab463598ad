package frontend

import (
	"context"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"slipway/internal/fakegateway"
)

// TestOldBuilder checks that the frontend rejects an operation that the builder does not
// support. The error contains the instruction, its location and the capability.
func TestOldBuilder(t *testing.T) {
	b := fakegateway.New("FROM a\nENV x=1\nRUN --mount=type=secret,id=s,env=S \\\n  true\n", nil)
	if _, err := Build(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	before := len(b.SolveRequests())
	b.MissingCap = pb.CapExecSecretEnv
	_, err := Build(context.Background(), b)
	if err == nil {
		t.Fatal("no error for exec.secretenv, which the builder lacks")
	}
	want := "[stage-0 2/2] RUN --mount=type=secret,id=s,env=S   true: requested experimental feature exec.secretenv "
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want %s…", err, want)
	}
	sources := errdefs.Sources(err)
	if len(sources) != 1 || sources[0].Info.Filename != "Dockerfile" || sources[0].Ranges[0].Start.Line != 3 {
		t.Errorf("locations %v", sources)
	}
	for _, req := range b.SolveRequests()[before:] {
		if req.Definition != nil && strings.Contains(string(joinOps(req.Definition)), "  true") {
			t.Error("the builder received the unsupported operation")
		}
	}
}

// TestErrorText checks that clients receive the code and the location of an error from the
// builder. The frontend adds text to the error, such as the image name. The error that the
// client receives must contain this text only once, even if the builder's error already
// contains it.
func TestErrorText(t *testing.T) {
	for answer, want := range map[string]string{
		"too large": "ResourceExhausted: alpin: failed to resolve source metadata for docker.io/library/alpin:latest: too large (did you mean alpine?)",
		"alpin: failed to resolve source metadata for docker.io/library/alpin:latest is not possible": "ResourceExhausted: alpin: failed to resolve source metadata for docker.io/library/alpin:latest is not possible (did you mean alpine?)",
	} {
		b := fakegateway.New("FROM scratch AS alpine\nFROM alpin\n", nil)
		b.Policy = func(string) error { return grpcerrors.FromGRPC(status.Error(codes.ResourceExhausted, answer)) }
		_, err := Build(context.Background(), b)
		err = grpcerrors.FromGRPC(grpcerrors.ToGRPC(context.Background(), err))
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		if s := errdefs.Sources(err); len(s) != 1 || s[0].Ranges[0].Start.Line != 2 {
			t.Errorf("locations %v", s)
		}
	}
}
