// Package oneline shortens server responses to one line, and operation names to a maximum
// length, for use in error messages.
package oneline

import "strings"

// Excerpt returns the beginning of a server's response on one line, truncated after 200 bytes.
// It returns "" for HTML, because an HTML error page adds nothing to the HTTP status.
func Excerpt(text string) string {
	const most = 200
	return Limit(text, most)
}

// Limit returns the beginning of a server's response like [Excerpt], but truncates the line
// after limit bytes.
func Limit(text string, limit int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	fields := strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f })
	if len(fields) > 0 && strings.HasPrefix(fields[0], "<") {
		return ""
	}
	line := strings.Join(fields, " ")
	for i := range line {
		if i >= limit {
			return strings.TrimRight(line[:i], " ") + "…"
		}
	}
	return line
}

// Name returns the name of an operation, truncated after 1,000 bytes.
func Name(name string) string {
	const most = 1000
	if len(name) > most {
		return name[:most] + "…"
	}
	return name
}
