package format

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"slipway/diag"
	"slipway/parser"
	"slipway/source"
)

// bom is the UTF-8 byte order mark.
const bom = "\xEF\xBB\xBF"

// printer collects the edits that lay out one file.
type printer struct {
	file    *parser.File
	src     []byte
	opt     Options
	fixed   *fixedParts
	lineEnd string
	edits   []diag.Edit

	shells  []shellOf     // of each instruction; only set if scripts are laid out
	scripts map[int]bool  // the instructions whose scripts have been laid out, by index
	refused map[int]error // the reasons for which scripts stay as they are, by index
}

// newPrinter returns a printer for f. It does not lay out the parts in fixed.
func newPrinter(f *parser.File, opt Options, fixed *fixedParts) *printer {
	p := &printer{file: f, src: f.Source.Bytes, opt: opt, fixed: fixed, lineEnd: opt.LineEnd}
	if p.lineEnd == "" {
		p.lineEnd = usualLineEnd(f)
	}
	p.shells = make([]shellOf, len(f.Nodes))
	if opt.Shell {
		p.shells = shells(f)
	}
	p.scripts, p.refused = map[int]bool{}, map[int]error{}
	return p
}

// usualLineEnd returns the line end of most lines of f outside of heredocs.
func usualLineEnd(f *parser.File) string {
	lf, crlf := 0, 0
	for _, n := range f.Nodes {
		r := n.Range()
		if in, ok := n.(*parser.Instruction); ok {
			r = in.Head()
		}
		text := r.String()
		windows := strings.Count(text, "\r\n")
		crlf += windows
		lf += strings.Count(text, "\n") - windows
	}
	if crlf > lf {
		return "\r\n"
	}
	return "\n"
}

// print returns the edits for the whole file.
func (p *printer) print() []diag.Edit {
	p.mark()
	s := switches{nodes: p.file.Nodes}
	index := -1
	for i, n := range p.file.Nodes {
		_, isInstruction := n.(*parser.Instruction)
		if isInstruction {
			index++
		}
		off := s.next(i)
		switch n := n.(type) {
		case *parser.Directive:
			p.directive(n)
		case *parser.Blank:
			if !off.all {
				p.blank(n, i)
			}
		case *parser.Comment:
			p.comment(n, off.lines, p.fixed.comments[index+1])
		case *parser.Instruction:
			if !off.all && !p.fixed.instructions[index] && (p.opt.Keep == nil || !p.opt.Keep(index)) {
				p.instruction(n, index)
			}
		}
	}
	if !s.off {
		p.finalLineEnd()
	}
	return p.edits
}

// replace replaces the bytes [start, end) of the file. It adds an edit for the part that differs.
func (p *printer) replace(start, end int, text string) {
	old := p.src[start:end]
	if string(old) == text {
		return
	}
	n := 0
	for n < len(old) && n < len(text) && old[n] == text[n] {
		n++
	}
	for n > 0 && !isBoundary(p.src, start+n) {
		n--
	}
	start, old, text = start+n, old[n:], text[n:]
	n = 0
	for n < len(old) && n < len(text) && old[len(old)-1-n] == text[len(text)-1-n] {
		n++
	}
	for n > 0 && !isBoundary(p.src, end-n) {
		n--
	}
	end, text = end-n, text[:len(text)-n]
	p.edits = append(p.edits, diag.Edit{Range: source.Range{File: p.file.Source, Start: start, End: end}, New: text})
}

// isBoundary reports whether an edit may start or end at the offset: not inside of a character
// and not between CR and LF, which are positions that editors cannot express.
func isBoundary(src []byte, offset int) bool {
	if offset == 0 || offset == len(src) {
		return true
	}
	return utf8.RuneStart(src[offset]) && (src[offset-1] != '\r' || src[offset] != '\n')
}

// textStart returns the offset of the text after the byte order mark.
func (p *printer) textStart() int {
	if bytes.HasPrefix(p.src, []byte(bom)) {
		return len(bom)
	}
	return 0
}

// mark adds or removes the byte order mark.
func (p *printer) mark() {
	has := p.textStart()
	switch {
	case p.fixed.start:
	case p.opt.Mark == RemoveMark:
		p.replace(0, has, "")
	case p.opt.Mark == AddMark:
		p.replace(0, has, bom)
	}
}

// finalLineEnd adds or removes the line end of the last line of the file.
func (p *printer) finalLineEnd() {
	end, n := len(p.src), len(p.edits)
	for n > 0 && p.edits[n-1].Range.End == end && p.edits[n-1].New == "" {
		n--
		end = p.edits[n].Range.Start
	}
	last := p.src[:end]
	if n > 0 && p.edits[n-1].Range.End == end {
		last = []byte(p.edits[n-1].New)
	}
	has := bytes.HasSuffix(last, []byte{'\n'})
	switch {
	case !p.opt.NoFinalLineEnd && !has:
		p.replace(len(p.src), len(p.src), p.lineEnd)
	case p.opt.NoFinalLineEnd && has:
		p.cut()
	}
}

// cut removes the line ends at the end of the file, also those that edits insert.
func (p *printer) cut() {
	end, n := len(p.src), len(p.edits)
	for {
		switch {
		case n > 0 && p.edits[n-1].Range.End == end:
			e := &p.edits[n-1]
			if e.New = strings.TrimRight(e.New, "\r\n"); e.New != "" {
				e.Range.End = len(p.src)
				p.edits = p.edits[:n]
				return
			}
			end = e.Range.Start
			n--
		case end > 0 && (p.src[end-1] == '\n' || p.src[end-1] == '\r'):
			end--
		default:
			p.edits = p.edits[:n]
			p.replace(end, len(p.src), "")
			return
		}
	}
}

// directive lays out a parser directive. Its value may be empty, or may start or end with white
// space other than blanks. Such a directive stays as it is.
func (p *printer) directive(n *parser.Directive) {
	start, end, next := p.line(max(n.Rng.Start, p.textStart()))
	value := n.Value.String()
	if value == "" || strings.TrimSpace(value) != value || p.fixed.start {
		p.replace(end, next, p.endOf(next))
		return
	}
	p.replace(start, next, "# "+n.Name.String()+"="+value+p.endOf(next))
}

// blank reduces a run of empty lines. Empty lines at the start and the end of the file go.
func (p *printer) blank(n *parser.Blank, index int) {
	start := max(n.Rng.Start, p.textStart())
	count := bytes.Count(p.src[start:n.Rng.End], []byte{'\n'})
	allowed := p.opt.MaxBlankLines
	switch {
	case index == len(p.file.Nodes)-1:
		allowed = 0
	case p.fixed.start && p.onlyDirectives(index):
		allowed = max(allowed, 1)
	case index == 0:
		allowed = 0
	}
	p.replace(start, n.Rng.End, strings.Repeat(p.lineEnd, min(count, allowed)))
}

// onlyDirectives reports whether all nodes before the node with this index are directives.
func (p *printer) onlyDirectives(index int) bool {
	for _, n := range p.file.Nodes[:index] {
		if _, ok := n.(*parser.Directive); !ok {
			return false
		}
	}
	return true
}

// comment lays out comment lines between instructions, except those that off reports. If indented
// is true, their indentation stays.
func (p *printer) comment(n *parser.Comment, off func(line int) bool, indented bool) {
	start := max(n.Rng.Start, p.textStart())
	for line := 0; start < n.Rng.End; line++ {
		_, end, next := p.line(start)
		if !off(line) {
			token := end - len(bytes.TrimLeftFunc(p.src[start:end], unicode.IsSpace))
			if !indented {
				p.replace(start, token, "")
			}
			p.replace(trimBlanks(p.src, token, end), next, p.endOf(next))
		}
		start = next
	}
}

// line returns the line that starts at the offset: the ends of its text without and with the line
// end. As in BuildKit, all trailing CR bytes belong to the line end.
func (p *printer) line(start int) (from, end, next int) {
	next = len(p.src)
	if i := bytes.IndexByte(p.src[start:], '\n'); i >= 0 {
		next = start + i + 1
	}
	end = next
	for end > start && (p.src[end-1] == '\n' || p.src[end-1] == '\r') {
		end--
	}
	return start, end, next
}

// endOf returns the line end for a line that ends at the offset next. The last line of a file may
// have no line end.
func (p *printer) endOf(next int) string {
	if next == 0 || p.src[next-1] != '\n' {
		return ""
	}
	return p.lineEnd
}

// trimBlanks returns the end of the text [start, end) without trailing blanks and tabs. Blanks after
// a CR stay, because without them the CR would belong to the line end.
func trimBlanks(src []byte, start, end int) int {
	trimmed := end
	for trimmed > start && isBlank(src[trimmed-1]) {
		trimmed--
	}
	if trimmed > start && src[trimmed-1] == '\r' {
		return end
	}
	return trimmed
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// onlyBlanks reports whether text consists of blanks and tabs.
func onlyBlanks(text []byte) bool { return len(bytes.Trim(text, " \t")) == 0 }
