package solver

import (
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"

	"slipway/internal/testtree"
)

// TestPassthrough checks that the outputs of a passthrough operation are the selected inputs, and
// that the other inputs are evaluated, too. An error of any input is an error of the operation.
func TestPassthrough(t *testing.T) {
	dir := func(name string) llb.State { return llb.Scratch().File(llb.Mkdir(name, 0o755)) }
	missing := llb.Scratch().File(llb.Rm("missing"))
	pass := llb.NewPassthroughOp("p", []llb.PassthroughInput{
		{State: dir("a"), Output: true}, {State: dir("b")}, {State: dir("c"), Output: true},
	})
	for _, tc := range []struct {
		about   string
		state   llb.State
		want    []string
		wantErr string
	}{
		{"first output", llb.NewState(pass.Output()), []string{"a"}, ""},
		{"second output", llb.NewState(pass.OutputAt(1)), []string{"c"}, ""},
		{"required state", dir("a").Requires("r", dir("b")), []string{"a"}, ""},
		{"required state fails", dir("a").Requires("r", missing), nil, "missing"},
	} {
		def, err := tc.state.Marshal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s, err := solveDef(t, def.ToPB())
		if tc.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("%s: error %v, want one with %q", tc.about, err, tc.wantErr)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", tc.about, err)
		}
		var names []string
		for _, e := range testtree.Must(testtree.Of(s).Entries()) {
			names = append(names, e.Name)
		}
		if !slices.Equal(names, tc.want) {
			t.Errorf("%s: files %q, want %q", tc.about, names, tc.want)
		}
	}
}
