package diag

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// excerptLine returns a line of the file in printable form, and a line of carets that mark its
// bytes [from, to). The range may extend beyond the line. If the range contains no byte of the
// line, one caret marks its start. If a line is wider than an excerpt may be, only the part
// around the range is returned.
func (p *textPrinter) excerptLine(line string, from, to int) (shown, under string) {
	if from < 0 {
		// The range starts on an earlier line, so the indentation is not marked.
		from = len(line) - len(strings.TrimLeft(line, " \t"))
	}
	from = min(from, len(line))
	to = min(max(to, from), len(line))
	before, after := false, false
	line, from, to, before, after = clip(line, from, to, 8*p.opt.Width)
	list := cells(line)
	if i := slices.IndexFunc(list, func(c cell) bool { return c.end > from }); i > 0 {
		for ; i > 0 && list[i].width == 0; i-- {
		} // a combining mark is marked with its base character
		from = min(from, list[i].start)
	}
	lo, hi := p.window(list, from, to)
	before = before || lo > 0
	after = after || hi < len(list)
	var text, marks strings.Builder
	if before {
		text.WriteRune('…')
		marks.WriteByte(' ')
	}
	caret := false
	for _, c := range list[lo:hi] {
		text.WriteString(c.text)
		mark := " "
		if c.end > from && c.start < to || from == to && c.start == from {
			mark, caret = "^", true
		}
		marks.WriteString(strings.Repeat(mark, c.width))
	}
	if after {
		text.WriteRune('…')
	}
	if !caret {
		marks.WriteByte('^')
	}
	return text.String(), strings.TrimRight(marks.String(), " ")
}

// clip returns the part of a very long line around the range [from, to). The results f and t
// are the range within this part, and before and after report whether the line has further
// text there. The length of the part is limited in bytes, so that the caller need not convert
// the whole line rune by rune.
func clip(line string, from, to, limit int) (part string, f, t int, before, after bool) {
	if len(line) <= limit {
		return line, from, to, false, false
	}
	lo := max(from-limit/2, 0)
	for lo > 0 && lo < len(line) && !utf8.RuneStart(line[lo]) {
		lo--
	}
	hi := min(lo+limit, len(line))
	for hi < len(line) && !utf8.RuneStart(line[hi]) {
		hi++
	}
	return line[lo:hi], from - lo, min(to, hi) - lo, lo > 0, hi < len(line)
}

// window selects the part of a line that is shown, and returns it as the range [lo, hi) of
// cells. Its parameters are the cells of the line and the byte range to mark. If the line fits
// into the maximum width, all cells are shown. Otherwise the marked cells and some text before
// them are shown. A marked range that is too wide is cut at its end.
func (p *textPrinter) window(list []cell, from, to int) (lo, hi int) {
	room := p.opt.Width
	if totalWidth(list) <= room {
		return 0, len(list)
	}
	first, last := len(list), len(list)
	for i, c := range list {
		if c.end > from {
			first = i
			break
		}
	}
	for i := first; i < len(list); i++ {
		if list[i].end >= to {
			last = i + 1
			break
		}
	}
	lead := max((room-totalWidth(list[first:last]))/2, room/8)
	lo = first
	for used := 0; lo > 0 && used+list[lo-1].width <= lead; lo-- {
		used += list[lo-1].width
	}
	hi = lo
	used := 0
	for hi < len(list) && used+list[hi].width <= room {
		used += list[hi].width
		hi++
	}
	// Columns that remain on the right are used for text on the left.
	for lo > 0 && used+list[lo-1].width <= room {
		lo--
		used += list[lo].width
	}
	return lo, hi
}
