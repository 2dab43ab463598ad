package dockerfile2llb_test

import (
	"context"
	"testing"

	"github.com/moby/buildkit/client/llb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/dockerfile2llb"
	"slipway/instructions"
	"slipway/internal/golden"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// sessionInputs is an Inputs whose main context is part of a client session. Its operation has the same
// digest each time that it is encoded.
type sessionInputs struct{ inputs }

func (sessionInputs) State(_ context.Context, _ *plan.Input, used *plan.Paths) (llb.State, error) {
	return llb.Local("context", llb.FollowPaths(used.Filter()), llb.SessionID("session")), nil
}

// TestEmitted checks that Options.Emitted receives the operation of each step, and that Digests
// returns the digests that the definition has.
func TestEmitted(t *testing.T) {
	const dockerfile = "FROM alpine AS a\nWORKDIR /d\nRUN one\nCOPY x /\nENV A=1\nFROM a\nCOPY --link --from=a /y /\nRUN two\n"
	file, diags := parser.Parse(source.NewFile("Dockerfile", []byte(dockerfile)))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	d, diags := instructions.Parse(file)
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	c, err := golden.Parse("copy/emitted", []byte("# t\n"))
	if err != nil {
		t.Fatal(err)
	}
	images, err := c.Images()
	if err != nil {
		t.Fatal(err)
	}
	var outs []llb.Output
	var names []string
	opt := dockerfile2llb.Options{Inputs: sessionInputs{inputs{images}}}
	opt.Plan.Platform = &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	opt.Emitted = func(st *plan.Stage, v *plan.Visit, out llb.Output) {
		outs = append(outs, out)
		if v == nil {
			names = append(names, st.BaseStep.Name)
		} else {
			names = append(names, v.Step.Info().Name)
		}
	}
	res, err := dockerfile2llb.Convert(t.Context(), d, opt)
	if err != nil {
		t.Fatal(err)
	}
	def, err := res.Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	digests, err := res.Digests(t.Context(), outs)
	if err != nil {
		t.Fatal(err)
	}
	if len(digests) != 6 {
		t.Errorf("there are %d steps, want 6: %q", len(digests), names)
	}
	for i, dgst := range digests {
		if got := def.Metadata[string(dgst)].GetDescription()["llb.customname"]; got != names[i] {
			t.Errorf("step %q has the operation %q", names[i], got)
		}
	}
}
