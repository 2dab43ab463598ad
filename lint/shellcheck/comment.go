package shellcheck

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"slipway/diag"
	"slipway/lint/script"
	"slipway/source"
)

// comment is a comment in the format json1. Lines and columns count from 1, columns in code
// points.
type comment struct {
	span
	File    string
	Level   string
	Code    int
	Message string
	Fix     *struct{ Replacements []replacement }
}

// span is a range in a checked file.
type span struct {
	Line, EndLine, Column, EndColumn int
}

// replacement is an edit of the checked file.
type replacement struct {
	span
	Replacement string
}

// locate returns the comment with its range in the Dockerfile. ok is false if the comment does not
// apply to the script of a Dockerfile.
func (cm comment) locate(s *script.Script, in input) (found Comment, ok bool) {
	start, end, ok := cm.offsets(s.Text)
	switch {
	case !ok:
		return found, false
	case in.busybox && slices.Contains([]int{3036, 3037, 3040}, cm.Code):
		return found, false // BusyBox has these extensions
	case s.Err != nil && slices.Contains([]int{1009, 1072, 1073}, cm.Code):
		return found, false // ShellSyntax reports the error
	}
	found = Comment{
		Script: s, Range: s.Range(start, end), Code: "SC" + strconv.Itoa(cm.Code), Severity: severity(cm.Level), Message: cm.Message,
	}
	if first, last := found.Range.Lines(); cm.Code == 2291 && first != last {
		return found, false // the repeated spaces are the indentation of the next line
	}
	if cm.Fix != nil {
		found.Edits = edits(cm.Fix.Replacements, s)
	}
	return found, true
}

// severity returns the severity of a level.
func severity(level string) diag.Severity {
	switch level {
	case "error":
		return diag.Error
	case "warning":
		return diag.Warning
	case "style":
		return diag.Style
	}
	return diag.Info
}

// offsets returns the bytes of the script that the span covers. ok is false if the span starts
// before the script, in the line with the variables, or if it is invalid.
func (p span) offsets(text string) (start, end int, ok bool) {
	if p.Line < 2 || p.EndLine < p.Line {
		return 0, 0, false
	}
	start, okStart := offset(text, p.Line-1, p.Column)
	end, okEnd := offset(text, p.EndLine-1, p.EndColumn)
	return start, end, okStart && okEnd && start <= end
}

// offset returns the offset of a line and column. ok is false if the text does not have the
// line.
func offset(text string, line, column int) (at int, ok bool) {
	for range line - 1 {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return 0, false
		}
		at += i + 1
	}
	for range column - 1 {
		if at == len(text) || text[at] == '\n' {
			return at, true
		}
		_, n := utf8.DecodeRuneInString(text[at:])
		at += n
	}
	return at, true
}

// edits returns the edits of the Dockerfile for a correction, or nil if one of them changes more
// than a part of a line. A script in a string has no edits, because the string would need other
// quotes.
func edits(list []replacement, s *script.Script) []diag.Edit {
	if s.Outer != nil || s.Run == nil || !s.Run.Shell {
		return nil
	}
	var out []diag.Edit
	for _, r := range list {
		start, end, ok := r.offsets(s.Text)
		if !ok || strings.ContainsAny(r.Replacement, "\n\\") {
			return nil
		}
		at := place(s, start, end)
		first, last := at.Lines()
		if at.End-at.Start != end-start || first != last {
			return nil
		}
		out = append(out, diag.Edit{Range: at, New: r.Replacement})
	}
	return out
}

// place returns the range of the bytes [start, end) of a script. An empty range follows the byte
// before it: after the last byte of a line, the next byte may be in another line of the file.
func place(s *script.Script, start, end int) source.Range {
	if start < end || start == 0 {
		return s.Range(start, end)
	}
	r := s.Range(start-1, start)
	r.Start = r.End
	return r
}
