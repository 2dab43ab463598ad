package frontend_test

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/internal/golden"
)

// TestExtensionPages builds the example of each page about an extension, and compares its plain
// Dockerfile with the one on the page.
func TestExtensionPages(t *testing.T) {
	pages, err := golden.LoadPages()
	if err != nil || len(pages) < 2 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	for _, page := range pages {
		t.Run(page.Case.Title, func(t *testing.T) {
			got, possible := ejectCase(t, page.Case)
			if !possible || got != page.Ejected {
				t.Errorf("eject (-page +got):\n%s", cmp.Diff(page.Ejected, got))
			}
		})
	}
}

// TestExtensionReadme checks that README.md shows the example of the page about all extensions.
func TestExtensionReadme(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := golden.LoadPages()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if p.Case.Title == "README.md" && !bytes.Contains(readme, slices.Concat([]byte("```dockerfile\n"), p.Case.Dockerfile(), []byte("```\n"))) {
			t.Errorf("README.md lacks the example of docs/extensions/README.md:\n%s", p.Case.Dockerfile())
		}
	}
}
