package main

import (
	"fmt"
	"io"
	"time"
)

// table prints the benchmark results as a table. It prints the row of a benchmark case as soon
// as the case has been measured.
type table struct {
	w          io.Writer
	converters []converter
	medians    map[string]map[int][]float64 // seconds by family, size and converter
}

func newTable(w io.Writer, converters []converter) *table {
	t := &table{w: w, converters: converters, medians: map[string]map[int][]float64{}}
	fmt.Fprintf(w, "%-20s", "per file")
	for _, c := range converters {
		fmt.Fprintf(w, "%11s", c.name())
	}
	if len(converters) == 2 {
		fmt.Fprintf(w, "%9s", "faster")
	}
	for _, c := range converters {
		fmt.Fprintf(w, "%14s", c.name()+" MB")
	}
	if len(converters) == 2 {
		fmt.Fprintf(w, "%9s", "less")
	}
	fmt.Fprintln(w)
	return t
}

func (t *table) row(c *benchCase, m measurement) {
	n := len(m[0])
	name := c.name
	if len(c.files) > 1 {
		name = fmt.Sprintf("%s (%d)", name, len(c.files))
	}
	fmt.Fprintf(t.w, "%-20s", name)
	seconds := make([]float64, len(m))
	for i := range m {
		seconds[i] = median(n, func(k int) float64 { return m[i][k].time.Seconds() })
		fmt.Fprintf(t.w, "%11s", round(seconds[i]))
	}
	if len(m) == 2 {
		fmt.Fprintf(t.w, "%8.1fx", median(n, func(k int) float64 { return m[0][k].time.Seconds() / m[1][k].time.Seconds() }))
	}
	for i := range m {
		fmt.Fprintf(t.w, "%14.3f", median(n, func(k int) float64 { return m[i][k].bytes })/1e6)
	}
	if len(m) == 2 {
		fmt.Fprintf(t.w, "%8.1fx", median(n, func(k int) float64 { return m[0][k].bytes / m[1][k].bytes }))
	}
	fmt.Fprintln(t.w)
	if c.family != "" {
		if t.medians[c.family] == nil {
			t.medians[c.family] = map[int][]float64{}
		}
		t.medians[c.family][c.size] = seconds
	}
}

// growth prints how the conversion time grows with the size of a Dockerfile. For each function
// in chains, it prints the ratio of the times for n=4000 and n=1000.
func (t *table) growth() {
	const small, large = 1000, 4000
	header := false
	for _, chain := range chains {
		a, b := t.medians[chain.name][small], t.medians[chain.name][large]
		if a == nil || b == nil {
			continue
		}
		if !header {
			fmt.Fprintf(t.w, "\ngrowth from %d to %d\n", small, large)
			header = true
		}
		fmt.Fprintf(t.w, "%-20s", chain.name)
		for i := range a {
			fmt.Fprintf(t.w, "%10.1fx", b[i]/a[i])
		}
		fmt.Fprintln(t.w)
	}
}

func round(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
