package frontend_test

import (
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
