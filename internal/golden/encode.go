package golden

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decodeQuoted joins the string literals, one a line with an optional repeat
// count in front, of a file with the encoding "quoted".
func decodeQuoted(data []byte) ([]byte, error) {
	var out bytes.Buffer
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		count := 1
		if digits, rest, ok := strings.Cut(line, " "); ok && !strings.HasPrefix(digits, `"`) {
			var err error
			if count, err = strconv.Atoi(digits); err != nil || count < 0 {
				return nil, fmt.Errorf("line %d: bad repeat count %q", n, digits)
			}
			line = strings.TrimSpace(rest)
		}
		s, err := strconv.Unquote(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q is not a Go string literal", n, line)
		}
		for range count {
			out.WriteString(s)
		}
	}
	return out.Bytes(), nil
}

// encodeSection writes a result down so that an archive can hold it and a
// person can read it: with a line end at its end, and lines that an archive or
// an editor would spoil as Go string literals. It loses the difference between
// a text with a line end at its end and one without; nothing is decoded again.
func encodeSection(got []byte) string {
	if len(got) == 0 {
		return ""
	}
	var out strings.Builder
	for line := range strings.Lines(string(got)) {
		line = strings.TrimSuffix(line, "\n")
		if needsQuotes(line) {
			line = strconv.Quote(line)
		}
		out.WriteString(line)
		out.WriteByte('\n')
	}
	return out.String()
}

func needsQuotes(line string) bool {
	if strings.HasPrefix(line, "-- ") && strings.HasSuffix(line, " --") || !utf8.ValidString(line) {
		return true
	}
	return strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && (r < ' ' || r == 0x7f || r == 0xfeff) })
}
