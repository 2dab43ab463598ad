// Package oneline shortens text of servers so that it fits into an error.
package oneline

import "strings"

// Excerpt returns the beginning of a text on one line. Text that looks like a
// page of a web server is left out, as it says nothing beyond the status.
func Excerpt(text string) string {
	const most = 200
	return Limit(text, most)
}

// Limit is [Excerpt] with another number of bytes.
func Limit(text string, most int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	fields := strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f })
	if len(fields) > 0 && strings.HasPrefix(fields[0], "<") {
		return ""
	}
	line := strings.Join(fields, " ")
	for i := range line {
		if i >= most {
			return strings.TrimRight(line[:i], " ") + "…"
		}
	}
	return line
}
