package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// table is a Markdown table with one row per case and several columns per builder. It compares
// each builder with the first one.
type table struct{ rows []*row }

func (t *table) add(r *row) { t.rows = append(t.rows, r) }

// print writes the table to w. The rows are sorted by the ratio of the second builder's time to
// the first builder's, largest first.
func (t *table) print(w io.Writer) {
	if len(t.rows) == 0 {
		return
	}
	most := slices.MaxFunc(t.rows, func(a, b *row) int { return len(a.results) - len(b.results) })
	head, line := "| build |", "|---|"
	for i, r := range most.results {
		head += " " + r.builder + " | memory | disk |"
		line += "--:|--:|--:|"
		if i > 0 {
			head += " ratio of time | of disk |"
			line += "--:|--:|"
		}
	}
	fmt.Fprintf(w, "\n%s\n%s\n", head, line)
	rows := slices.Clone(t.rows)
	slices.SortStableFunc(rows, func(a, b *row) int {
		switch x, y := a.slowdown(), b.slowdown(); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	for _, r := range rows {
		fmt.Fprintln(w, t.line(r))
	}
}

// slowdown returns the duration of builds with the second builder, divided by the duration with
// the first builder. If the row has only one builder, it returns 0.
func (r *row) slowdown() float64 {
	if len(r.results) < 2 {
		return 0
	}
	return ratio(r.results[1].builds, r.results[0].builds)
}

// line returns the row r in Markdown.
func (t *table) line(r *row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s (%d) |", r.name, len(r.results[0].builds))
	for i, res := range r.results {
		fmt.Fprintf(&b, " %s | %s | %d MB |", round(median(res.builds)), res.memory(), res.disk>>20)
		if i > 0 {
			fmt.Fprintf(&b, " %.2f | %.2f |", ratio(res.builds, r.results[0].builds), float64(res.disk)/float64(r.results[0].disk))
		}
	}
	return b.String()
}

// memory returns the peak memory of the builds as text. For a daemon, the text includes the
// growth of its memory during a build.
func (res *result) memory() string {
	var peak, growth int64
	for _, u := range res.builds {
		peak, growth = max(peak, u.memory), max(growth, u.growth)
	}
	if growth == 0 {
		return fmt.Sprintf("%d MB", peak>>20)
	}
	return fmt.Sprintf("%d MB (+%d)", peak>>20, growth>>20)
}

// ratio divides the duration of each build in a by the duration of the build in b with the
// same index, and returns the median of the quotients. Builds with the same index run in the
// same turn, under the same load, so their quotients vary less than their durations.
func ratio(a, b []usage) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = float64(a[i].time) / float64(b[i].time)
	}
	slices.Sort(ratios)
	return (ratios[(len(ratios)-1)/2] + ratios[len(ratios)/2]) / 2
}

// median returns the median duration of builds, which may be in any order.
func median(builds []usage) time.Duration {
	var t []time.Duration
	for _, u := range builds {
		t = append(t, u.time)
	}
	slices.Sort(t)
	return (t[(len(t)-1)/2] + t[len(t)/2]) / 2
}

func round(d time.Duration) string {
	if d < time.Second {
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
