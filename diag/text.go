package diag

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"slipway/source"
)

// TextOptions configures the colors and the maximum size of the excerpts that [Text]
// prints.
type TextOptions struct {
	Color bool // whether to use ANSI colors
	Width int  // the maximum width of an excerpt in columns; wider lines are cut around the range; 0 means 200
	Lines int  // the maximum height of an excerpt in lines; longer excerpts show the lines around the range; 0 means 8
}

// withDefaults returns the options with defaults for unset fields.
func (o TextOptions) withDefaults() TextOptions {
	if o.Width <= 0 {
		o.Width = 200
	}
	if o.Lines <= 0 {
		o.Lines = 8
	}
	return o
}

// Text renders the diagnostics for users: file, line, column and message, followed by the
// affected lines with carets below the range.
//
//	Dockerfile:3:6: error: unknown flag: --form
//	 3 | COPY --form=build /a /b
//	   |      ^^^^^^
//
// The column counts characters. A wide character counts as one, and so does a character
// with combining marks. The excerpt includes the lines of the field Context. Related
// locations follow with their own excerpts. Unprintable characters are spelled out, so
// that a file cannot send commands to the terminal. Text returns the first error from w.
func Text(w io.Writer, l List, opt TextOptions) error {
	p := &textPrinter{opt: opt.withDefaults()}
	for _, d := range l {
		p.diagnostic(d)
		if _, err := w.Write(p.buf.Bytes()); err != nil {
			return err
		}
		p.buf.Reset()
	}
	return nil
}

// textPrinter renders diagnostics into a buffer.
type textPrinter struct {
	opt TextOptions
	buf bytes.Buffer
}

// style is the code of an ANSI text style. The zero style changes nothing.
type style string

const (
	noStyle style = ""
	bold    style = "1"
	red     style = "1;31"
	yellow  style = "1;33"
	blue    style = "1;34"
	cyan    style = "1;36"
)

// print writes text in the given style. The text must be printable.
func (p *textPrinter) print(s style, text string) {
	if !p.opt.Color || s == noStyle || text == "" {
		p.buf.WriteString(text)
		return
	}
	fmt.Fprintf(&p.buf, "\x1b[%sm%s\x1b[0m", string(s), text)
}

// diagnostic writes the diagnostic d: its message and excerpt, then its related locations,
// fixes and URL.
func (p *textPrinter) diagnostic(d *Diagnostic) {
	mark := red
	switch d.Severity {
	case Warning:
		mark = yellow
	case Note, Info, Style:
		mark = cyan
	}
	message := escapeText(d.withHint())
	if d.Code != "" {
		message += " [" + escapeText(d.Code) + "]"
	}
	p.head(d.Range, mark, d.Severity.String(), message)
	p.excerpt(d.Range, d.Context, mark)
	for _, r := range d.Related {
		text := r.Message
		if text == "" {
			text = "also here"
		}
		p.head(r.Range, cyan, "note", escapeText(text))
		p.excerpt(r.Range, r.Context, cyan)
	}
	if d.Detail != "" {
		p.remark("note", d.Detail)
	}
	for _, f := range d.Fixes {
		p.remark("help", f.Title)
	}
	if d.URL != "" {
		p.remark("see", d.URL)
	}
}

// head writes the first line of a diagnostic: the location r, the kind of the diagnostic (such
// as "error") in the style s, and the message.
func (p *textPrinter) head(r source.Range, s style, kind, message string) {
	if !r.IsZero() {
		p.print(bold, fmt.Sprintf("%s:%d:%d: ", escapeText(r.File.Name), r.Position().Line, column(r.File, r.Start)))
	}
	p.print(s, kind+": ")
	p.print(bold, message)
	p.buf.WriteByte('\n')
}

// remark writes a line of text below an excerpt. kind is a label such as help.
func (p *textPrinter) remark(kind, text string) {
	p.print(blue, " = ")
	p.print(bold, kind+": ")
	p.buf.WriteString(escapeText(text))
	p.buf.WriteByte('\n')
}

// excerpt prints the source lines at two ranges: the range r, which is marked with carets, and
// its context.
func (p *textPrinter) excerpt(r, context source.Range, s style) {
	if r.IsZero() || len(r.File.Bytes) == 0 {
		return
	}
	if context.File != r.File {
		context = source.Range{}
	}
	first, last := r.Join(context).Lines()
	last = min(last, lastLine(r.File))
	first = min(first, last)
	shown := p.chooseLines(first, last, r)
	digits := len(fmt.Sprint(shown[len(shown)-1]))
	prev := shown[0] - 1
	for _, n := range shown {
		if n != prev+1 {
			p.print(blue, strings.Repeat(" ", digits-1)+"...")
			p.buf.WriteByte('\n')
		}
		prev = n
		p.line(r, n, digits, s)
	}
}

// lastLine returns the number of the last line. It does not count the empty text after a
// final line end.
func lastLine(f *source.File) int {
	n := f.Lines()
	if n > 1 && f.LineStart(n) == len(f.Bytes) {
		return n - 1
	}
	return n
}

// chooseLines returns the numbers of the lines to show. It chooses from the lines first to
// last. If all of these lines fit into an excerpt, it returns all of them. Otherwise it returns
// the lines of the range r and their neighbors. If the range r has too many lines, it omits the
// lines in the middle.
func (p *textPrinter) chooseLines(first, last int, r source.Range) []int {
	from, to := first, last
	if last-first+1 > p.opt.Lines {
		from, to = r.Lines()
		from, to = max(from-1, first), min(to+1, last)
		from = min(from, to)
	}
	skipFrom, skipTo := to+1, to
	if to-from+1 > p.opt.Lines {
		head := (p.opt.Lines + 1) / 2
		skipFrom, skipTo = from+head, to-(p.opt.Lines-head)
	}
	var list []int
	for n := from; n <= to; n++ {
		if n == skipFrom {
			n = skipTo
			continue
		}
		list = append(list, n)
	}
	return list
}

// line writes line n of the file and, if the range r touches the line, a line with carets. The
// parameter digits is the width of line numbers.
func (p *textPrinter) line(r source.Range, n, digits int, s style) {
	start, text := content(r.File, n)
	from, to := r.Start-start, r.End-start
	first, last := r.Lines()
	marked := first <= n && n <= last
	if n == lastLine(r.File) && first > n {
		marked = true // the range is after the last line end
	}
	if from < 0 && strings.TrimSpace(text) == "" {
		marked = false // an empty line in the middle of the range
	}
	if !marked {
		from, to = 0, 0
	}
	shown, under := p.excerptLine(text, from, to)
	p.print(blue, fmt.Sprintf(" %*d |", digits, n))
	if shown = strings.TrimRight(shown, " "); shown != "" {
		p.buf.WriteString(" " + shown)
	}
	p.buf.WriteByte('\n')
	if !marked || strings.Trim(under, " ") == "" {
		return
	}
	p.print(blue, strings.Repeat(" ", digits+1)+" | ")
	indent := len(under) - len(strings.TrimLeft(under, " "))
	p.buf.WriteString(under[:indent])
	p.print(s, under[indent:])
	p.buf.WriteByte('\n')
}
