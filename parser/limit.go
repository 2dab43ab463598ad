package parser

import (
	"bytes"
	"strings"

	"slipway/diag"
	"slipway/source"
)

// maxBraces is the maximum nesting depth of ${…} in a line with a heredoc.
//
// BuildKit splits a line with a heredoc recursively and in quadratic time. Without the
// limit, parsing a file of one megabyte takes hours or overflows the stack.
const maxBraces = 100

// checkNesting returns an error for the first line in which ${…} is nested too deeply for
// BuildKit's parser. It returns nil if no line exceeds the limit.
func (p *layout) checkNesting() *diag.Diagnostic {
	b := p.file.Bytes
	if !bytes.Contains(b, []byte("<<")) || bytes.Count(b, []byte("${")) <= maxBraces {
		return nil
	}
	for n := 1; n <= p.file.Lines(); {
		l := p.logicalLine(n, p.file.Lines())
		if at := indexDeepBrace(l.text.String(), maxBraces); at >= 0 {
			r := source.Range{File: p.file, Start: p.file.LineStart(n), End: l.end}
			return diag.Errorf(l.text.Slice(at, at+2).Range(), "variables nested more than %d deep", maxBraces).In(r)
		}
		if l.end == len(b) {
			break
		}
		n = p.file.Position(l.end).Line
	}
	return nil
}

// indexDeepBrace returns the index of the first ${ that is nested more deeply than the limit
// allows. It returns -1 if no ${ is nested so deeply, or if s does not contain <<.
func indexDeepBrace(s string, limit int) int {
	if !strings.Contains(s, "<<") {
		return -1
	}
	quoted := make([]bool, 1, limit+2) // for each open brace: whether double quotes are open inside it
	for i := 0; i < len(s); i++ {
		top := len(quoted) - 1
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '\'' && !quoted[top]:
			for i++; i < len(s) && s[i] != '\''; i++ {
			}
		case c == '"':
			quoted[top] = !quoted[top]
		case c == '$' && i+1 < len(s) && s[i+1] == '{':
			if len(quoted) > limit {
				return i
			}
			quoted = append(quoted, false)
			i++
		case c == '}' && top > 0 && !quoted[top]:
			quoted = quoted[:top]
		}
	}
	return -1
}
