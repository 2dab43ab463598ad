package instructions

import (
	"bytes"
	"slices"
	"strings"
	"unicode"

	"slipway/diag"
	"slipway/dialect"
	"slipway/internal/suggest"
	"slipway/parser"
	"slipway/source"
)

// unknownKeyword returns the error for an instruction with an unknown keyword.
func unknownKeyword(in *parser.Instruction) *diag.Diagnostic {
	keyword := in.Keyword.String()
	return diag.Errorf(in.Keyword.Range(), "unknown instruction: %s%s%s", keyword, suggest.Hint(keyword, names(), false), dialect.Hint(keyword, ""))
}

// names returns the keywords of all instructions in lower case.
func names() []string {
	list := make([]string, len(keywords))
	for i, k := range keywords {
		list[i] = k.name
	}
	return list
}

// unknownLines adds hints to errors about unknown keywords, and suppresses errors that an
// earlier error explains. Usually, a keyword is unknown because the previous line lacks a
// continuation character.
type unknownLines struct {
	file            *parser.File
	previous        *parser.Instruction // the previous instruction; nil before the first instruction
	previousUnknown bool                // whether the previous instruction has an unknown keyword, too
	explainedUntil  int                 // the number of the last line that an earlier error explains
}

// explain adds a hint to d, the error for an unknown keyword. It returns false if an earlier
// error already explains the line. In this case, d need not be reported.
func (s *unknownLines) explain(d *diag.Diagnostic, in *parser.Instruction) bool {
	line, last := in.Rng.Lines()
	_, near := suggest.Search(in.Keyword.String(), names(), false)
	if line <= s.explainedUntil || s.previousUnknown && !near {
		s.explainedUntil = max(s.explainedUntil, last)
		return false
	}
	switch {
	case isUTF16(s.file.Source.Bytes):
		d.Hinted("the file is UTF-16, save it as UTF-8")
	case in.Keyword.Len() == 0, s.previous == nil && in.Above.Start == in.Above.End:
	case s.hintHeredoc(d, line), s.hintComment(d, in):
	case s.previous != nil && (!near || isIndented(in)):
		s.hintContinuation(d, in)
	}
	return true
}

// isUTF16 reports whether b is probably UTF-16: it starts with a byte order mark, or with
// an ASCII character in UTF-16.
func isUTF16(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0xFF, 0xFE}) || bytes.HasPrefix(b, []byte{0xFE, 0xFF}) ||
		len(b) > 1 && (b[0] == 0) != (b[1] == 0)
}

// hintHeredoc adds a hint to d, the error about an unknown keyword in the given line, if the
// line is in the body of a heredoc whose instruction does not support heredocs. It reports
// whether it added the hint.
func (s *unknownLines) hintHeredoc(d *diag.Diagnostic, line int) bool {
	if s.previous == nil || len(s.previous.Heredocs) > 0 {
		return false
	}
	words := s.previous.HeredocWords()
	if _, last := s.previous.Rng.Lines(); len(words) == 0 || last+1 != line {
		return false
	}
	keyword := strings.ToUpper(s.previous.Keyword.String())
	d.Hinted("%s does not support heredocs, only RUN, COPY and ADD do", keyword)
	d.Note(words[0].Word.Range(), "%s does not start a heredoc here", words[0].Word)
	for n := line; n <= s.file.Source.Lines(); n++ {
		if strings.TrimSpace(s.file.Source.Line(n)) == words[0].Name {
			s.explainedUntil = n
			break
		}
	}
	return true
}

// hintComment adds a hint to d, the error about the unknown keyword of an instruction, if the
// instruction follows a comment that ends with the escape character. It reports whether it
// added the hint.
func (s *unknownLines) hintComment(d *diag.Diagnostic, in *parser.Instruction) bool {
	line, _ := in.Rng.Lines()
	if in.Above.Start == in.Above.End {
		return false
	}
	above := s.file.Source.LineRange(line-1, line-1)
	text := strings.TrimSpace(above.String())
	if !strings.HasPrefix(text, "#") || !strings.HasSuffix(text, string(s.file.Escape)) {
		return false
	}
	d.Hinted(`line %d is a comment, whose %c does not continue it`, line-1, s.file.Escape)
	d.Note(trimRange(above), "this comment ends with its line")
	return true
}

// hintContinuation adds a hint to d, the error about the unknown keyword of an instruction, if
// the instruction looks like a continuation of the previous instruction.
func (s *unknownLines) hintContinuation(d *diag.Diagnostic, in *parser.Instruction) {
	head := s.previous.Head()
	_, n := head.Lines()
	at := trimRange(s.file.Source.LineRange(n, n))
	text, escape := at.String(), string(s.file.Escape)
	switch {
	case len(s.previous.Heredocs) > 0:
	case indexCommentedEscape(text, escape) >= 0:
		at.Start += indexCommentedEscape(text, escape)
		d.Hinted("the %s in line %d is not at the end of the line: a comment follows it", escape, n)
		d.Note(at, "write the comment on a line of its own, or drop it")
	case strings.HasSuffix(text, escape+escape):
		at.Start = at.End - 2
		d.Hinted("line %d ends with %s%s, which does not continue it", n, escape, escape)
		d.Note(at, "write one %s", escape)
	case escape == "`" && strings.HasSuffix(text, `\`), escape == `\` && strings.HasSuffix(text, "`"):
		at.Start = at.End - 1
		d.Hinted("line %d ends with %s, but the escape character of this file is %s", n, text[len(text)-1:], escape)
		d.Note(at, "write %s", escape)
	case s.looksContinued(in, text):
		at.Start = at.End
		d.Hinted("line %d has no %s at its end, so it is not continued", n, escape)
		d.Note(at, "to continue the instruction, write %s here", escape)
	}
}

// indexCommentedEscape returns the index of the first escape character that precedes a comment,
// as in "RUN a \ # comment". It returns -1 if no such character exists.
func indexCommentedEscape(text, escape string) int {
	for i := range text {
		rest, ok := strings.CutPrefix(text[i:], escape)
		if comment := strings.TrimLeft(rest, " \t"); ok && comment != rest && strings.HasPrefix(comment, "#") {
			return i
		}
	}
	return -1
}

// looksContinued reports whether the instruction looks like a continuation of the previous
// instruction, judging by indentation, case and operators such as &&. The parameter text is the
// last line of the previous instruction.
func (s *unknownLines) looksContinued(in *parser.Instruction, text string) bool {
	keyword := in.Keyword.String()
	pairs := []string{"env", "label", "arg"}
	return isIndented(in) || strings.ToUpper(keyword) != keyword || !unicode.IsLetter(rune(keyword[0])) ||
		strings.Contains(keyword, "=") && slices.Contains(pairs, strings.ToLower(s.previous.Keyword.String())) ||
		slices.ContainsFunc([]string{"&&", "||", "|", ";"}, func(end string) bool { return strings.HasSuffix(text, end) })
}

// isIndented reports whether the first line of an instruction is indented.
func isIndented(in *parser.Instruction) bool {
	return in.Keyword.Range().Start > in.Rng.Start && in.Rng.File.Bytes[in.Rng.Start] <= ' '
}

// trimRange returns the range r without leading and trailing white space.
func trimRange(r source.Range) source.Range {
	s := r.String()
	r.End = r.Start + len(strings.TrimRightFunc(s, unicode.IsSpace))
	r.Start = min(r.Start+len(s)-len(strings.TrimLeftFunc(s, unicode.IsSpace)), r.End)
	return r
}
