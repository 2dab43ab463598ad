package namespace

import (
	"strings"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/runner/launch"
)

// TestPlatform runs a program of this machine in steps for other architectures, as images with a
// wrong platform contain it. Steps for another operating system fail.
func TestPlatform(t *testing.T) {
	w := newFixture(t)
	for _, m := range launch.Machines() {
		x := w.process(":")
		x.Platform = ocispecs.Platform{OS: "linux", Architecture: m.Arch}
		if _, err := w.Run(t.Context(), x); err != nil {
			t.Errorf("%s: %v", m.Arch, err)
		}
	}
	x := w.process(":")
	x.Platform = ocispecs.Platform{OS: "windows", Architecture: "amd64"}
	if _, err := w.Run(t.Context(), x); err == nil || !strings.HasPrefix(err.Error(), "steps of windows/amd64 cannot run on linux/") {
		t.Errorf("windows/amd64: got error %v", err)
	}
}
