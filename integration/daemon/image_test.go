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

// TestImage builds each case of testdata/image with both frontends and compares
// the images.
func TestImage(t *testing.T) {
	for _, c := range readCases(t, "image") {
		t.Run(c.name, func(t *testing.T) {
			// Build sequentially: concurrent builds share steps, and a shared
			// step has the name from the first build.
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

// buildImage returns the image as text, and the sorted names of its steps.
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

// stepNames omits the steps that load the frontend image, which differ between
// builds.
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
