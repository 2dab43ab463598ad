package parser

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"slipway/shell"
	"slipway/source"
)

// directiveFault finds the parser directive that an error is about.
//
// Upstream: its location is the line before, or none.
func directiveFault(f *source.File, msg string) (source.Range, bool) {
	if !strings.HasSuffix(msg, " parser directive can be used") && !strings.HasPrefix(msg, "invalid escape token") {
		return source.Range{}, false
	}
	var d parser.DirectiveParser
	for n := 1; n <= f.Lines(); n++ {
		line := f.LineRange(n, n)
		token := bytes.TrimPrefix(f.Bytes[line.Start:line.End], bom)
		dir, err := d.ParseLine(bytes.TrimSpace(token))
		if err != nil || dir != nil && dir.Name == "escape" && dir.Value != `\` && dir.Value != "`" {
			return trimmed(f, line), true
		}
		if dir == nil {
			break
		}
	}
	return source.Range{}, false
}

// tight returns the part of an instruction that an error is about, where its
// text tells.
func tight(f *source.File, r source.Range, msg string) source.Range {
	if msg == "unterminated heredoc" {
		return heredocWord(r)
	}
	if _, rest, ok := strings.Cut(msg, "can't find = in "); ok {
		quoted, _, _ := strings.Cut(rest, ". Must be of the form")
		if word, err := strconv.Unquote(quoted); err == nil {
			if i := bytes.Index(f.Bytes[r.Start:r.End], []byte(word)); i >= 0 {
				return source.Range{File: f, Start: r.Start + i, End: r.Start + i + len(word)}
			}
		}
	}
	if strings.HasPrefix(msg, "when using JSON array syntax") {
		if i := bytes.IndexByte(f.Bytes[r.Start:r.End], '['); i >= 0 {
			return source.Range{File: f, Start: r.Start + i, End: r.End}
		}
	}
	first, last := r.Lines()
	if first == last {
		return r
	}
	return trimmed(f, f.LineRange(first, first))
}

// heredocWord returns the first heredoc word of the range's first line.
func heredocWord(r source.Range) source.Range {
	first, _ := r.Lines()
	line := trimmed(r.File, r.File.LineRange(first, first))
	fields, _ := shell.Split(line.String())
	for _, f := range fields {
		if _, ok := ParseHeredoc(f.Text); ok {
			return source.Range{File: r.File, Start: line.Start + f.Start, End: line.Start + f.End}
		}
	}
	return line
}
