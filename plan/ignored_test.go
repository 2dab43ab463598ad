package plan

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"slipway/ignore"
	"slipway/source"
)

// excluding is a world with an ignore file.
type excluding struct {
	images
	matcher *ignore.Matcher
}

func (e excluding) Ignore(context.Context) (*ignore.Matcher, error) { return e.matcher, nil }

// TestTooMuchMatching: one long source is no more work than many short ones.
func TestTooMuchMatching(t *testing.T) {
	var rules strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&rules, "*%d\n", i)
	}
	m, err := ignore.Parse(source.NewFile(".dockerignore", []byte(rules.String())))
	if err != nil {
		t.Fatal(err)
	}
	text := "FROM scratch\nCOPY %s /y\n"
	if _, err := build(fmt.Sprintf(text, "x/y"), Options{Resolver: excluding{matcher: m}}); err != nil {
		t.Error(err)
	}
	_, err = build(fmt.Sprintf(text, strings.Repeat("a/", 10_000)), Options{Resolver: excluding{matcher: m}})
	const want = "the ignore file has too many patterns with wildcards for so many sources"
	if d := found(err); d == nil || d.Message != want || len(d.Range.String()) != 20_000 {
		t.Errorf("error %v, want %s", err, want)
	}
}
