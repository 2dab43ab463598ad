//go:build integration

package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/integration/imagetree"
	"slipway/integration/rig"
)

// TestImage checks that our frontend and upstream's create the same images with BuildKit.
func TestImage(t *testing.T) {
	for _, c := range readCases(t, "image") {
		t.Run(c.name, func(t *testing.T) {
			// Concurrent builds would share steps, and a shared step has the name that the
			// first build gave it.
			got, gotSteps := buildImage(t, c.withSyntax(ours))
			want, wantSteps := buildImage(t, c.withSyntax(upstream))
			if got == "" {
				t.Error("our image is empty")
			}
			if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
				t.Errorf("%s\nimage (-upstream +ours):\n%s", c.About, diff)
			}
			if diff := cmp.Diff(wantSteps, gotSteps); diff != "" {
				t.Errorf("%s\nnames of the steps (-upstream +ours):\n%s", c.About, diff)
			}
		})
	}
}

func lines(s string) []string { return strings.Split(s, "\n") }

// buildImage runs a build. It returns a description of the image and the sorted step names.
func buildImage(t *testing.T, req rig.Request) (image string, steps []string) {
	t.Helper()
	req.Image = true
	res, err := shared.Build(t.Context(), req)
	if err != nil {
		t.Fatalf("%v\n%s", err, shared.DaemonLog(1000))
	}
	index, err := imagetree.Open(res.Archive, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return imageText(t, index), stepNames(res)
}

// stepNames returns the names of the build's steps. It omits the steps that load the frontend
// image, because they differ between frontends.
func stepNames(res *rig.Result) []string {
	var names []string
	for _, n := range res.Names() {
		if !strings.Contains(n, ours) && !strings.Contains(n, upstream) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
