package frontend

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/errdefs"

	"slipway/diag"
	"slipway/internal/fakegateway"
)

// TestLocalErrors checks errors whose location clients must not receive, because
// upstream sends none for them. Within this process, such an error must still have a
// location.
func TestLocalErrors(t *testing.T) {
	bad := fakegateway.New("FROM a\nCOPY b c\n", nil)
	bad.Files[".dockerignore"] = "x\n!\n"
	many := fakegateway.New("FROM a\nCOPY b c\n", nil)
	var patterns strings.Builder
	for i := range 10_001 {
		fmt.Fprintf(&patterns, "%d*\n", i)
	}
	many.Files[".dockerignore"] = patterns.String()
	for _, tt := range []struct {
		b    *fakegateway.Client
		at   string
		sent int
	}{
		{fakegateway.New("FROM a\nRUN []\n", nil), "RUN []\n", 0},
		{fakegateway.New("# check=skip=x;no=y\nFROM a\n", nil), "no", 0},
		{fakegateway.New("# check=error=true\nFROM a as b\n", nil), "error=true", 0},
		{fakegateway.New("ARG a\n", nil), "ARG a\n", 0},
		{bad, "!", 0},
		{many, "10000*", 0},
		{fakegateway.New("FROM a\nUSER\n", nil), "USER", 1},
	} {
		_, err := Build(t.Context(), tt.b)
		d, ok := errors.AsType[*diag.Diagnostic](err)
		if !ok {
			t.Errorf("error %v, want a diagnostic", err)
			continue
		}
		if sent := len(errdefs.Sources(err)); d.Range.String() != tt.at || sent != tt.sent {
			t.Errorf("%v: at %q, %d locations for clients, want %q, %d", err, d.Range, sent, tt.at, tt.sent)
		}
	}
}
