package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A difference describes a test whose outcome with upstream's frontend image or builder differs
// from the outcome with ours.
type difference struct {
	test           string
	upstream, ours outcome
}

// worse reports whether the test that d describes passes with upstream's image or builder but not
// with ours.
func (d difference) worse() bool { return d.upstream == passed }

// A comparison names the two runs of a suite whose outcomes are compared.
type comparison struct {
	title          string // for example worker=oci
	upstream, ours string // "upstream's image" and "our image", or the names of two builders
}

// describe returns a line about a difference.
func (c comparison) describe(d difference) string {
	return fmt.Sprintf("%s: %s with %s, %s with %s", d.test, d.upstream, c.upstream, d.ours, c.ours)
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

// print prints the number of tests for each outcome, and then the differences. Tests that pass
// only upstream come first. It returns these tests.
func (c comparison) print(w io.Writer, upstream, ours outcomes) (worse []difference) {
	width := max(len(c.upstream), len(c.ours)) + len(": ")
	fmt.Fprintln(w, c.title)
	fmt.Fprintf(w, "  %-*s%s\n", width, c.upstream+":", upstream)
	fmt.Fprintf(w, "  %-*s%s\n", width, c.ours+":", ours)
	var better []difference
	for _, d := range compare(upstream, ours) {
		if d.worse() {
			worse = append(worse, d)
		} else {
			better = append(better, d)
		}
	}
	if len(worse)+len(better) == 0 {
		fmt.Fprintln(w, "  no test differs")
	}
	for _, d := range slices.Concat(worse, better) {
		fmt.Fprintf(w, "  %s\n", c.describe(d))
	}
	return worse
}
