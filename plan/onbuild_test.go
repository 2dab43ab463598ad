package plan

import (
	"context"
	"fmt"
	"testing"
)

// circle has two images whose triggers need each other.
type circle struct{ images }

func (circle) Image(_ context.Context, ref string, _ ImageQuery) (*Resolved, error) {
	other := map[string]string{"docker.io/library/a:latest": "b", "docker.io/library/b:latest": "a"}[ref]
	return &Resolved{Ref: ref, Config: fmt.Appendf(nil, `{"rootfs":{"type":"layers","diff_ids":["sha256:%064d"]},"config":{"OnBuild":["COPY --from=%s / /"]}}`, 1, other)}, nil
}

// TestEndlessTriggers: upstream never ends here.
func TestEndlessTriggers(t *testing.T) {
	_, err := build("FROM scratch\nFROM a\n", Options{Resolver: circle{}})
	want := "the ONBUILD triggers of docker.io/library/a:latest need that image again, without end"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
