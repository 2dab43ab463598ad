package plan

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"slipway/ignore"
	"slipway/internal/slowtest"
	"slipway/source"
)

// ignoreResolver is an imageResolver whose main context has an ignore file.
type ignoreResolver struct {
	imageResolver
	matcher *ignore.Matcher
}

func (e ignoreResolver) Ignore(context.Context) (*ignore.Matcher, error) { return e.matcher, nil }

// TestTooMuchMatching checks that planning rejects a very long source if matching it
// against ten thousand patterns of the ignore file would take too long.
func TestTooMuchMatching(t *testing.T) {
	slowtest.Skip(t, "matches until the limit")
	var rules strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&rules, "*%d\n", i)
	}
	m, err := ignore.Parse(source.NewFile(".dockerignore", []byte(rules.String())))
	if err != nil {
		t.Fatal(err)
	}
	text := "FROM scratch\nCOPY %s /y\n"
	if _, err := build(fmt.Sprintf(text, "x/y"), Options{Resolver: ignoreResolver{matcher: m}}); err != nil {
		t.Error(err)
	}
	_, err = build(fmt.Sprintf(text, strings.Repeat("a/", 10_000)), Options{Resolver: ignoreResolver{matcher: m}})
	const want = "the ignore file has too many patterns with wildcards for so many sources"
	if d := diagnosticOf(err); d == nil || d.Message != want || len(d.Range.String()) != 20_000 {
		t.Errorf("error %v, want %s", err, want)
	}
}
