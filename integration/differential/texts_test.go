package differential

import (
	"errors"
	"strings"
	"testing"

	"slipway/diag"
	"slipway/frontend"
	"slipway/internal/golden"
)

// TestErrorTexts compares the error of a build, and all that a check finds, as
// users read it with the section out/error, in the cases that have one.
func TestErrorTexts(t *testing.T) {
	shown := 0
	golden.Run(t, func(t *testing.T, c *golden.Case) {
		if _, ok := c.Out("error"); !ok {
			return
		}
		shown++
		var list diag.List
		check := frontend.Checking(nil, func(found diag.List) { list = found })
		r, err := Run(t.Context(), check, c, c.Opts["platform"])
		if err != nil {
			t.Fatal(err)
		}
		var d *diag.Diagnostic
		if errors.As(r.Err, &d) {
			list = diag.List{d}
		} else if r.Err != nil {
			t.Fatalf("no location: %v", r.Err)
		}
		var b strings.Builder
		if err := diag.Text(&b, list, diag.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		c.Check(t, "error", []byte(b.String()))
	})
	if shown == 0 {
		t.Error("no case has a section out/error")
	}
}
