package dockerfile2llb_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"slipway/dockerfile2llb"
	"slipway/internal/corpus"
	"slipway/internal/golden"
	"slipway/internal/llbtext"
	"slipway/plan"
)

// TestCorpus compares the LLB operations of each test case with the section out/llb of the
// case. If the case has several platforms, the section ends with a digest of the
// operations for the other platforms.
func TestCorpus(t *testing.T) {
	golden.Run(t, func(t *testing.T, c *golden.Case) {
		own := c.Opts["platform"]
		text, err := operations(t.Context(), c, own)
		if d, ok := errors.AsType[*emitError](err); ok {
			c.Compare(t, "error", corpus.Error(d.error))
		}
		if err != nil || text == "" {
			c.Record(t, "llb", "")
			return
		}
		var others strings.Builder
		for _, p := range c.Platforms() {
			if p == own {
				continue
			}
			other, err := operations(t.Context(), c, p)
			fmt.Fprintf(&others, "%s %v %s\n", p, err == nil, other)
		}
		if others.Len() > 0 {
			text += fmt.Sprintf("other platforms %s\n", corpus.Short(others.String()))
		}
		c.Record(t, "llb", corpus.Compact(text))
	})
}

// emitError is the error for a plan that cannot be lowered to LLB.
type emitError struct{ error }

// operations returns the operations of a test case as text. If the case is a subrequest, the
// text is empty. The parameter platform is the value of the frontend option platform.
func operations(ctx context.Context, c *golden.Case, platform string) (string, error) {
	builds, err := corpus.Open(ctx, c, platform)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, build := range builds {
		if !build.IsBuild() {
			continue
		}
		p, err := plan.Build(ctx, build.Dockerfile, build.Plan)
		if err != nil {
			return "", err
		}
		res, err := dockerfile2llb.Emit(ctx, p, dockerfile2llb.Options{Inputs: build.Inputs, Caps: &build.Caps, SourceMap: build.Map})
		if err != nil {
			return "", &emitError{err}
		}
		def, err := res.Marshal(ctx)
		if err != nil {
			return "", err
		}
		if len(builds) > 1 {
			fmt.Fprintf(&b, "for %s\n", build.Platform)
		}
		if err := describe(ctx, &b, res, def); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// describe appends the operations in def to b as text. An SBOM generator may scan further
// states of the conversion res. For each of these states, describe appends a line with the name
// of the state and a digest of its operations.
func describe(ctx context.Context, b *strings.Builder, res *dockerfile2llb.Conversion, def *pb.Definition) error {
	text, err := llbtext.Lines(def)
	if err != nil {
		return err
	}
	b.WriteString(text)
	for _, name := range slices.Sorted(maps.Keys(res.SBOM.Extras)) {
		st := res.SBOM.Extras[name]
		extra, err := st.Marshal(ctx)
		if err != nil {
			return err
		}
		if text, err = llbtext.Lines(extra.ToPB()); err != nil {
			return err
		}
		fmt.Fprintf(b, "scan of %s %s\n", name, corpus.Short(text))
	}
	return nil
}
