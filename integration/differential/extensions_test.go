package differential

import (
	"strings"
	"testing"

	"slipway/internal/golden"
)

// TestExtensionPages checks that upstream's frontend says about the example of each page about
// an extension what the page tells, and that it builds the example if the page shows no error.
func TestExtensionPages(t *testing.T) {
	pages, err := golden.LoadPages()
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, p := range pages {
		r, err := Run(t.Context(), Upstream(), p.Case, "linux/amd64")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if r.Err != nil {
			got = r.Err.Error()
			refused++
		}
		if want := strings.TrimSpace(p.Refusal); got != want {
			t.Errorf("docs/extensions/%s: docker/dockerfile says %q, the page %q", p.Case.Title, got, want)
		}
	}
	if refused < 9 {
		t.Errorf("docker/dockerfile refuses only %d examples", refused)
	}
}
