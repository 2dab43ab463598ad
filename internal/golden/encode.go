package golden

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decodeQuoted decodes a file with the encoding "quoted". Each line contains a Go string
// literal, with an optional repeat count before it.
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
				return nil, fmt.Errorf("line %d: invalid repeat count %q", n, digits)
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

// encodeSection encodes a recorded result for an archive. It quotes lines that an archive or an
// editor would change. If the result does not end with a newline, encodeSection adds a newline,
// which decoding does not remove.
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

// DecodeSection returns the result that a section of a case records: encodeSection of the result
// is text.
func DecodeSection(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if s, err := strconv.Unquote(line); err == nil && needsQuotes(s) {
			line = s
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
