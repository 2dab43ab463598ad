package diag

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"slipway/source"
)

// Apply returns the content of f after the edits. The edits must be in ascending order and must
// not overlap.
func Apply(f *source.File, edits []Edit) []byte {
	return applyWithin(source.Range{File: f, End: len(f.Bytes)}, edits)
}

// applyWithin returns the content of r after the edits, which must be inside of r.
func applyWithin(r source.Range, edits []Edit) []byte {
	size := r.End - r.Start
	for _, e := range edits {
		size += len(e.New) - (e.Range.End - e.Range.Start)
	}
	out := make([]byte, 0, size)
	at := r.Start
	for _, e := range edits {
		out = append(out, r.File.Bytes[at:e.Range.Start]...)
		out = append(out, e.New...)
		at = e.Range.End
	}
	return append(out, r.File.Bytes[at:r.End]...)
}

// diffContext is the number of unchanged lines around the changed lines of a unified diff.
const diffContext = 3

// Unified writes the edits as a unified diff, in the form that patch and git apply read. The
// edits must be in ascending order and must not overlap. Unified returns the first error of w.
func Unified(w io.Writer, f *source.File, edits []Edit) error {
	spans := lineEdits(f, edits)
	if len(spans) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(w, "--- %s\n+++ %s\n", f.Name, f.Name); err != nil {
		return err
	}
	shift := 0 // the number of lines that earlier hunks have added
	for len(spans) > 0 {
		n := 1
		for n < len(spans) && spans[n].first-spans[n-1].next <= 2*diffContext {
			n++
		}
		added, err := writeHunk(w, f, spans[:n], shift)
		if err != nil {
			return err
		}
		shift += added
		spans = spans[n:]
	}
	return nil
}

// lineEdit replaces the lines first to next-1 of a file with other lines.
type lineEdit struct {
	first, next int // numbers of lines
	lines       []string
}

// lineEdits converts edits to edits of whole lines. Edits of the same line become one.
func lineEdits(f *source.File, edits []Edit) []lineEdit {
	var list []lineEdit
	for len(edits) > 0 {
		first := f.Position(edits[0].Range.Start).Line
		last, n := f.Position(edits[0].Range.End).Line, 1
		for ; n < len(edits) && f.Position(edits[n].Range.Start).Line <= last; n++ {
			last = f.Position(edits[n].Range.End).Line
		}
		text := string(applyWithin(f.LineRange(first, last), edits[:n]))
		e := lineEdit{first: first, next: max(first, min(last, countLines(f))+1), lines: slices.Collect(strings.Lines(text))}
		e = e.trim(f)
		end := len(list) - 1
		switch {
		case e.first == e.next && len(e.lines) == 0:
		case end >= 0 && list[end].next == e.first:
			list[end].next, list[end].lines = e.next, append(list[end].lines, e.lines...)
		default:
			list = append(list, e)
		}
		edits = edits[n:]
	}
	return list
}

// countLines returns the number of lines of f. The part after the last line end is a line only if
// it is not empty.
func countLines(f *source.File) int {
	n := f.Lines()
	if f.LineStart(n) == len(f.Bytes) {
		n--
	}
	return n
}

// trim removes equal lines at the start and the end of the edit.
func (e lineEdit) trim(f *source.File) lineEdit {
	for e.first < e.next && len(e.lines) > 0 && e.lines[0] == f.LineRange(e.first, e.first).String() {
		e.first, e.lines = e.first+1, e.lines[1:]
	}
	for e.first < e.next && len(e.lines) > 0 && e.lines[len(e.lines)-1] == f.LineRange(e.next-1, e.next-1).String() {
		e.next, e.lines = e.next-1, e.lines[:len(e.lines)-1]
	}
	return e
}

// writeHunk writes one hunk of a unified diff. It returns the number of lines that the hunk
// adds, which is negative if it removes lines.
func writeHunk(w io.Writer, f *source.File, spans []lineEdit, shift int) (added int, err error) {
	start := max(spans[0].first-diffContext, 1)
	end := min(spans[len(spans)-1].next+diffContext, countLines(f)+1)
	var b strings.Builder
	at := start
	for _, s := range spans {
		writeLines(&b, ' ', f, at, s.first)
		writeLines(&b, '-', f, s.first, s.next)
		for _, line := range s.lines {
			writeLine(&b, '+', line)
		}
		added += len(s.lines) - (s.next - s.first)
		at = s.next
	}
	writeLines(&b, ' ', f, at, end)
	_, err = fmt.Fprintf(w, "@@ -%s +%s @@\n%s", hunkRange(start, end-start), hunkRange(start+shift, end-start+added), &b)
	return added, err
}

// hunkRange formats the range of lines of a hunk. A range without lines has the number of the
// line before it.
func hunkRange(start, count int) string {
	switch count {
	case 0:
		return fmt.Sprintf("%d,0", start-1)
	case 1:
		return fmt.Sprint(start)
	}
	return fmt.Sprintf("%d,%d", start, count)
}

// writeLines writes the lines first to next-1 of f, each after the given mark.
func writeLines(b *strings.Builder, mark byte, f *source.File, first, next int) {
	for n := first; n < next; n++ {
		writeLine(b, mark, f.LineRange(n, n).String())
	}
}

func writeLine(b *strings.Builder, mark byte, line string) {
	b.WriteByte(mark)
	b.WriteString(line)
	if !strings.HasSuffix(line, "\n") {
		b.WriteString("\n\\ No newline at end of file\n")
	}
}
