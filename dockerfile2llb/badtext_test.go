package dockerfile2llb_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/diag"
	"slipway/dockerfile2llb"
	"slipway/instructions"
	"slipway/internal/golden"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// TestBadText checks that the error for text that is not UTF-8 points at the invalid
// bytes or, if they come from a variable, at the instruction.
func TestBadText(t *testing.T) {
	const message = "string field contains invalid UTF-8"
	for _, tt := range []struct{ text, at, message, hint string }{
		{"FROM alpine\nRUN echo é \xff\xfe b \xff\n", "\xff\xfe", message, "save the file as UTF-8"},
		{"FROM alpine\nARG A\nRUN echo $A\n", "RUN echo $A\n", message, "a variable that the instruction expands has bytes that are not UTF-8"},
		{"FROM alpine\nRUN []\n", "RUN []\n", "arguments are required", "the array is empty, so there is no command to run"},
	} {
		err := encodeText(t, tt.text)
		d, ok := errors.AsType[*diag.Diagnostic](err)
		if !ok {
			t.Errorf("%q: error %v, want a diagnostic", tt.text, err)
			continue
		}
		if d.Message != tt.message || d.Range.String() != tt.at || d.Hint != tt.hint {
			t.Errorf("%q: %q at %q (%s), want %q at %q (%s)", tt.text, d.Message, d.Range, d.Hint, tt.message, tt.at, tt.hint)
		}
	}
}

// failingInputs implements Inputs with one named context, called box. Every attempt to open a
// context fails.
type failingInputs struct{ inputs }

func (failingInputs) Context(_ context.Context, name string, _ *ocispecs.Platform) (plan.NamedContext, error) {
	if strings.Contains(name, "box") {
		return namedContext{}, nil
	}
	return nil, nil
}

func (failingInputs) State(context.Context, *plan.Input, *plan.Paths) (llb.State, error) {
	return llb.State{}, errors.New("context is failingInputs")
}

// namedContext is a named context without an image config.
type namedContext struct{}

func (namedContext) Load(context.Context) (*plan.Resolved, error) {
	return &plan.Resolved{Input: &plan.Input{Name: "box"}}, nil
}

// TestClosedContext checks that the error for a context that cannot be opened points at
// the instruction that needs the context.
func TestClosedContext(t *testing.T) {
	for text, want := range map[string]string{
		"FROM alpine\nCOPY a b\n": "COPY a b\n",
		"FROM box\nRUN a\n":       "FROM box\n",
		"FROM alpine\nARG BUILDKIT_SBOM_SCAN_CONTEXT=true\nRUN a\n": "FROM alpine\n",
	} {
		f, _ := parser.Parse(source.NewFile("Dockerfile", []byte(text)))
		d, _ := instructions.Parse(f)
		opt := dockerfile2llb.Options{Inputs: failingInputs{inputs{golden.DefaultImages()}}, SourceMap: &llb.SourceMap{}}
		opt.Plan.Platform = &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
		_, err := dockerfile2llb.Convert(t.Context(), d, opt)
		at, ok := errors.AsType[*diag.Diagnostic](err)
		if !ok || at.Message != "context is failingInputs" || at.Range.String() != want {
			t.Errorf("%q: error %v, want a location at %q", text, err, want)
		}
	}
}

// encodeText converts a valid Dockerfile to LLB and encodes the result. It returns the
// error from encoding.
func encodeText(t *testing.T, text string) error {
	t.Helper()
	f, diags := parser.Parse(source.NewFile("Dockerfile", []byte(text)))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	d, diags := instructions.Parse(f)
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	opt := dockerfile2llb.Options{Inputs: inputs{golden.DefaultImages()}, SourceMap: &llb.SourceMap{}}
	opt.Plan.Platform = &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	opt.Plan.BuildArgs = map[string]string{"A": "\xff"}
	res, err := dockerfile2llb.Convert(t.Context(), d, opt)
	if err != nil {
		t.Fatal(err)
	}
	_, err = res.Marshal(t.Context())
	return err
}
