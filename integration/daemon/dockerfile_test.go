//go:build integration

package daemon

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/integration/frontendimage"
	"slipway/integration/imagetree"
	"slipway/integration/programimage"
	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// TestFrontendImage checks that a build of this repository's Dockerfile creates the same
// frontend image as package frontendimage, which needs no builder. A named context replaces
// the stage that compiles the program, because that stage needs a Go image.
func TestFrontendImage(t *testing.T) {
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	binary := programimage.Binary{
		Platform: v1.Platform{OS: "linux", Architecture: runtime.GOARCH},
		Content:  []byte("not a program"),
	}
	out := t.TempDir()
	writeFile(t, filepath.Join(out, "out", "dockerfile-frontend"), binary.Content)
	if err := os.Chmod(filepath.Join(out, "out", "dockerfile-frontend"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, _ := buildImage(t, rig.Request{
		Dockerfile: string(dockerfile),
		Attrs:      map[string]string{"context:build": "local:build"},
		Contexts:   map[string]string{"build": out},
	})
	index, err := frontendimage.Index([]programimage.Binary{binary})
	if err != nil {
		t.Fatal(err)
	}
	images, err := imagetree.Read(index, imagetree.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(withoutHistory(images[0].String()), withoutHistory(got)); diff != "" {
		t.Errorf("(-without a builder +Dockerfile):\n%s", diff)
	}
}

// withoutHistory returns the lines of an image description except the history field of the
// config.
func withoutHistory(image string) []string {
	var kept []string
	inside := false
	for _, line := range lines(image) {
		switch {
		case line == `  "history": [`:
			inside = true
		case inside && line == "  ],":
			inside = false
		case !inside:
			kept = append(kept, line)
		}
	}
	return kept
}
