package parser

import (
	"strings"

	"slipway/source"
)

// jsonElements returns the source texts of the elements in a JSON array. For invalid
// JSON, it returns the elements that it recognizes.
func jsonElements(t source.Text) []source.Text {
	s := t.String()
	i := strings.IndexByte(s, '[')
	if i < 0 {
		return nil
	}
	var list []source.Text
	start, depth := i+1, 0
	for i++; i < len(s); i++ {
		switch s[i] {
		case '"':
			i = jsonString(s, i)
		case '[', '{':
			depth++
		case ']', '}', ',':
			if depth == 0 {
				if e := t.Slice(start, i).TrimSpace(isJSONSpace); e.Len() > 0 {
					list = append(list, e)
				}
				start = i + 1
			}
			if s[i] == ',' {
				continue
			}
			if depth == 0 {
				return list
			}
			depth--
		}
	}
	return list
}

// jsonString returns the index of the closing quote of the string that starts at s[i].
func jsonString(s string, i int) int {
	for i++; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return min(i, len(s))
}

func isJSONSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
