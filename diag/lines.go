package diag

import (
	"cmp"
	"slices"

	"slipway/source"
)

// LineSpan is a range of lines from First to Last, both inclusive, counted from 1.
type LineSpan struct{ First, Last int }

// Lines returns the lines that the ranges touch, in ascending order. It merges
// overlapping and adjacent spans and ignores zero ranges. All ranges must be in one file.
func Lines(ranges ...source.Range) []LineSpan {
	var spans []LineSpan
	for _, r := range ranges {
		if !r.IsZero() {
			first, last := r.Lines()
			spans = append(spans, LineSpan{First: first, Last: last})
		}
	}
	slices.SortFunc(spans, func(a, b LineSpan) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last))
	})
	merged := spans[:0]
	for _, s := range spans {
		if n := len(merged); n > 0 && s.First <= merged[n-1].Last+1 {
			merged[n-1].Last = max(merged[n-1].Last, s.Last)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// Lines returns the numbers of the lines that the frontend sends to clients. These are
// the lines of the range that Shown returns, and the lines of all related locations
// without a message.
func (d *Diagnostic) Lines() []LineSpan {
	ranges := []source.Range{d.Shown()}
	for _, r := range d.Related {
		if r.Message == "" && r.Range.File == d.Shown().File {
			ranges = append(ranges, r.Shown())
		}
	}
	return Lines(ranges...)
}
