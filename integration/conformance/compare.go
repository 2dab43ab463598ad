package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A difference describes a test whose outcome with upstream's frontend image differs from the
// outcome with ours.
type difference struct {
	test           string
	upstream, ours outcome
}

// worse reports whether the test that d describes passes with upstream's image but not with
// ours.
func (d difference) worse() bool { return d.upstream == passed }

func (d difference) String() string {
	return fmt.Sprintf("%s: %s with upstream's image, %s with ours", d.test, d.upstream, d.ours)
}

// compare returns the tests whose outcomes differ, sorted by name. It omits a test whose
// outcome differs only because the outcomes of its subtests differ.
func compare(upstream, ours outcomes) []difference {
	all := maps.Clone(upstream)
	maps.Copy(all, ours)
	var list []difference
	for _, test := range slices.Sorted(maps.Keys(all)) {
		if d := (difference{test, upstream.of(test), ours.of(test)}); d.upstream != d.ours {
			list = append(list, d)
		}
	}
	whole := slices.Clone(list)
	return slices.DeleteFunc(list, func(d difference) bool {
		return slices.ContainsFunc(whole, func(sub difference) bool {
			return strings.HasPrefix(sub.test, d.test+"/") && sub.worse() == d.worse()
		})
	})
}

// printComparison prints the number of tests for each outcome, and then the differences. The
// tests that pass only with upstream's image come first. If any such test exists, ok is false.
func printComparison(w io.Writer, worker string, upstream, ours outcomes) (ok bool) {
	fmt.Fprintf(w, "worker=%s\n", worker)
	fmt.Fprintf(w, "  upstream's image: %s\n", upstream)
	fmt.Fprintf(w, "  our image:        %s\n", ours)
	differences := compare(upstream, ours)
	slices.SortStableFunc(differences, func(a, b difference) int {
		switch {
		case a.worse() == b.worse():
			return 0
		case a.worse():
			return -1
		}
		return 1
	})
	if len(differences) == 0 {
		fmt.Fprintln(w, "  no test differs")
	}
	for _, d := range differences {
		fmt.Fprintf(w, "  %s\n", d)
	}
	return !slices.ContainsFunc(differences, difference.worse)
}
