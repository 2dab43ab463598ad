package main

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/slowtest"
)

// TestRun checks that our converter and upstream's produce the same LLB for the small benchmark
// cases, and that the printed table contains a row for each case.
func TestRun(t *testing.T) {
	slowtest.Skip(t, "measures conversions")
	var out strings.Builder
	if err := run(t.Context(), &out, []string{"-run", "^10 |^40 ", "-count", "1"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"10 RUN", "10 chained stages", "10 copied stages", "10 ENV", "10 ENV and RUN", "40 platforms"} {
		row := regexp.MustCompile(`(?m)^` + name + ` +\S+s +\S+s +[0-9.]+x +[0-9.]+ +[0-9.]+ +[0-9.]+x$`)
		if !row.MatchString(out.String()) {
			t.Errorf("no row for %s in\n%s", name, out.String())
		}
	}
}

// TestPairs checks that the table of files with a gate has a row for each pair, and that bench
// fails if the files of a pair have different operations.
func TestPairs(t *testing.T) {
	slowtest.Skip(t, "measures conversions")
	_, pairs, err := load("^gate: typical$|^INCLUDE: 100 files of 1$")
	if err != nil || len(pairs) != 2 {
		t.Fatalf("%d pairs, %v", len(pairs), err)
	}
	var out strings.Builder
	if err := measurePairs(t.Context(), &out, pairs, 1); err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs {
		row := regexp.MustCompile(`(?m)^` + p.name + ` +\S+s +\S+s +[0-9.]+x +[0-9.]+ +[0-9.]+ +[0-9.]+x$`)
		if !row.MatchString(out.String()) {
			t.Errorf("no row for %s in\n%s", p.name, out.String())
		}
	}
	pairs[0].gated = pairs[1].gated
	if err := measurePairs(t.Context(), &out, pairs[:1], 1); err == nil {
		t.Error("a pair with different operations is measured")
	}
}

// TestSame checks that bench fails if two converters produce different LLB.
func TestSame(t *testing.T) {
	cases, _, err := load("^10 (RUN|ENV)$")
	if err != nil {
		t.Fatal(err)
	}
	wrong := otherConverter{as: &cases[1].files[0]}
	if err := same(t.Context(), &cases[0].files[0], []converter{upstream{}, wrong}); err == nil {
		t.Error("different operations are accepted as equal")
	}
	if err := checkEqual(t.Context(), cases[0], []converter{upstream{}, wrong}); err == nil {
		t.Error("a chain with different operations is measured")
	}
}

// otherConverter is a converter with wrong results, for tests. Instead of the given Dockerfile,
// it converts the text in the field as.
type otherConverter struct {
	ours
	as *file
}

func (o otherConverter) convert(ctx context.Context, _ *file) ([]*pb.Definition, error) {
	return o.ours.convert(ctx, o.as)
}
