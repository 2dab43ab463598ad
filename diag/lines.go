package diag

import (
	"cmp"
	"slices"

	"slipway/source"
)

// LineSpan is a run of a file's lines, counted from 1; Last belongs to it.
type LineSpan struct{ First, Last int }

// Lines returns the lines that the ranges touch, sorted; spans that overlap or
// follow each other directly are one. Zero ranges count for nothing. All ranges
// are taken to be of one file.
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

// Lines returns the lines that clients are told: those of Shown and of the
// related places that have no message, which are further locations of the same
// fault.
func (d *Diagnostic) Lines() []LineSpan {
	ranges := []source.Range{d.Shown()}
	for _, r := range d.Related {
		if r.Message == "" && r.Range.File == d.Shown().File {
			ranges = append(ranges, r.Shown())
		}
	}
	return Lines(ranges...)
}
