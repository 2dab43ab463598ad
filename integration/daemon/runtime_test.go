//go:build integration

package daemon

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"slipway/integration/imagetree"
	"slipway/integration/rig"
)

var allRuntimeCases = flag.Bool("all-runtime-cases", false, "build all cases with RUN in TestRuntime, not only a few")

// TestRuntime checks that our solver with runc as its runtime creates the same images as
// BuildKit, which also uses runc.
func TestRuntime(t *testing.T) {
	state := t.TempDir()
	few := []string{
		"cache-privileges", "limits", "mknod", "mount-stubs", "network-none", "run-mount-secret", "run-mount-ssh", "run-unknown",
		"security-insecure", "setuid", "system-directories", "users", "workdir-passes",
	}
	for _, c := range slices.Concat(readCases(t, "image"), readCases(t, "solver")) {
		if !slices.Contains(few, c.name) && (!*allRuntimeCases || !strings.Contains(c.request.Dockerfile, "RUN ")) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := c.build(t, buildWithBuildKit)
			got := c.build(t, func(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
				return solveImage(t, req, setState(state, "oci"))
			})
			if diff := imagetree.Difference(want, got); diff != "" {
				t.Errorf("%s\nimage (-BuildKit +solver with runc):\n%s", c.About, diff)
			}
		})
	}
}
