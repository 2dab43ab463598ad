package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// table prints the measurements of a case, one row per builder.
type table struct{ w io.Writer }

func newTable(w io.Writer) *table {
	fmt.Fprintf(w, "\n%-32s %-10s %10s %10s %8s %9s %9s\n", "case", "builder", "median", "fastest", "ratio", "memory", "disk")
	return &table{w}
}

func (t *table) rows(name string, results []*result) {
	for i, r := range results {
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(t.w, "%-32s %-10s %10s %10s %8.2f %6d MB %6d MB\n", name, r.builder,
			round(median(r.times)), round(slices.Min(r.times)), ratio(r.times, results[0].times), r.memory>>20, r.disk>>20)
	}
}

// ratio returns the median of a[i]/b[i]. The builds of two builders in turn i ran under the
// same load, so the quotients of their durations vary less than the durations.
func ratio(a, b []time.Duration) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = float64(a[i]) / float64(b[i])
	}
	slices.Sort(ratios)
	return (ratios[(len(ratios)-1)/2] + ratios[len(ratios)/2]) / 2
}

func round(d time.Duration) string {
	if d < time.Second {
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
