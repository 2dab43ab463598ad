package dialect

import (
	"strings"
	"unicode/utf8"

	"slipway/diag"
	"slipway/source"
)

// Variable is a variable in a file that --file reads.
type Variable struct{ Key, Value string }

// maxVariables is the maximum size of a file of variables in bytes.
const maxVariables = 64 << 10

// ParseVariables parses a file of variables, for --file of LET, ENV and LABEL:
//
//	file = { [ "export " ] key "=" value newline } .
//	value = text | "'" text "'" | '"' text '"' .
//
// Empty lines and lines that start with # are ignored. In double quotes, \n, \" and \\ are
// escapes. Variables are not expanded.
func ParseVariables(f *source.File) ([]Variable, *diag.Diagnostic) {
	if len(f.Bytes) > maxVariables {
		return nil, diag.Errorf(f.LineRange(1, 1), "%s has more than %d KiB", f.Name, maxVariables>>10)
	}
	if !utf8.Valid(f.Bytes) || strings.IndexByte(string(f.Bytes), 0) >= 0 {
		return nil, diag.Errorf(f.LineRange(1, 1), "%s is not text", f.Name)
	}
	var list []Variable
	for n := 1; n <= f.Lines(); n++ {
		r := lineText(f, n)
		if s := r.String(); s == "" || s[0] == '#' {
			continue
		}
		v, d := parseVariable(r)
		if d != nil {
			return nil, d
		}
		list = append(list, v)
	}
	return list, nil
}

// parseVariable parses one line of a file of variables.
func parseVariable(line source.Range) (Variable, *diag.Diagnostic) {
	s := line.String()
	if rest, ok := strings.CutPrefix(s, "export "); ok {
		s = strings.TrimLeft(rest, " \t")
	}
	key, value, ok := strings.Cut(s, "=")
	if !ok || !IsName(key) {
		return Variable{}, diag.Errorf(line, "%s:%d: expected NAME=VALUE", line.File.Name, line.Position().Line)
	}
	value, ok = unquote(value)
	if !ok {
		return Variable{}, diag.Errorf(line, "%s:%d: the quote is not closed at the end of the line", line.File.Name, line.Position().Line)
	}
	return Variable{key, value}, nil
}

// IsName reports whether s is the name of a variable: letters, digits and underscores, not
// starting with a digit.
func IsName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// unquote removes the quotes around a value. It returns false if the quotes do not enclose the
// whole value.
func unquote(s string) (string, bool) {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return s, true
	}
	quote := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		switch {
		case c == quote:
			return b.String(), i == len(s)-1
		case c == '\\' && quote == '"' && i+1 < len(s) && strings.IndexByte(`n"\`, s[i+1]) >= 0:
			i++
			if c = s[i]; c == 'n' {
				c = '\n'
			}
		}
		b.WriteByte(c)
	}
	return "", false
}
