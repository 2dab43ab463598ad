package plan

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"slipway/diag"
)

// cyclicImages is a Resolver with two images a and b. The trigger of each image copies
// from the other image.
type cyclicImages struct{ imageResolver }

func (cyclicImages) Image(_ context.Context, ref string, _ ImageQuery) (*Resolved, error) {
	other := map[string]string{"docker.io/library/a:latest": "b", "docker.io/library/b:latest": "a"}[ref]
	return &Resolved{Ref: ref, Config: fmt.Appendf(nil, `{"rootfs":{"type":"layers","diff_ids":["sha256:%064d"]},"config":{"OnBuild":["COPY --from=%s / /"]}}`, 1, other)}, nil
}

// TestEndlessTriggers checks that planning fails for images whose ONBUILD triggers need
// the image itself. Upstream looks up such images endlessly.
func TestEndlessTriggers(t *testing.T) {
	for text, at := range map[string]string{
		"FROM scratch\nFROM a\n":                                 "FROM a\n",
		"FROM scratch\nRUN --mount=from=a,target=/b c\nUSER d\n": "RUN --mount=from=a,target=/b c\n",
	} {
		_, err := build(text, Options{Resolver: cyclicImages{}})
		want := "ONBUILD triggers of docker.io/library/a:latest: they depend on the image itself (remove the trigger that refers to it)"
		d, ok := errors.AsType[*diag.Diagnostic](err)
		if !ok || d.Message != want || d.Range.String() != at {
			t.Errorf("%q: error %v, want %s at %q", text, err, want, at)
		}
	}
}
