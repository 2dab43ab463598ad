package shell

import "strings"

// escapedChar consumes an escape character outside quotes and the next character. The
// next character is literal, and the escape character is dropped.
func (s *scanner) escapedChar() {
	if s.keepEscapes {
		s.out = append(s.out, s.esc)
	}
	s.pos++
	start := s.pos
	if s.next() >= 0 {
		s.putText(s.word[start:s.pos])
	}
}

// singleQuoted consumes '…', in which no character is special.
func (s *scanner) singleQuoted(pattern bool) *Error {
	open := s.pos
	s.pos++
	n := strings.IndexByte(s.word[s.pos:], '\'')
	if n < 0 {
		s.pos = len(s.word)
		return s.errorAt(open, "unexpected end of statement while looking for matching single-quote")
	}
	text := s.word[s.pos : s.pos+n]
	s.pos += n + 1
	if pattern {
		e := string(s.esc)
		text = strings.ReplaceAll(text, e, e+e)
	}
	s.putQuote('\'')
	s.putText(text)
	s.putQuote('\'')
	return nil
}

// doubleQuoted expands "…". Inside, the escape character escapes only a quote, a dollar
// sign and itself.
func (s *scanner) doubleQuoted(pattern bool) *Error {
	open := s.pos
	s.pos++
	s.putQuote('"')
	for s.pos < len(s.word) {
		start := s.pos
		for s.pos < len(s.word) && !s.specialInQuotes(s.word[s.pos]) {
			s.pos++
		}
		s.putText(s.word[start:s.pos])
		if s.pos == len(s.word) {
			break
		}
		switch s.word[s.pos] {
		case '"':
			s.pos++
			s.putQuote('"')
			return nil
		case '$':
			s.inQuotes = true
			err := s.dollar()
			s.inQuotes = false
			if err != nil {
				return err
			}
		default:
			s.escapedInQuotes(pattern)
		}
	}
	return s.errorAt(open, "unexpected end of statement while looking for matching double-quote")
}

// specialInQuotes reports whether c has a special meaning in double quotes.
func (s *scanner) specialInQuotes(c byte) bool {
	return c == '"' || c == '$' || c == s.esc
}

// escapedInQuotes consumes an escape character in double quotes. If the next character has a
// special meaning in double quotes, it is consumed, too.
func (s *scanner) escapedInQuotes(pattern bool) {
	s.pos++
	if s.pos == len(s.word) {
		return
	}
	if c := s.word[s.pos]; s.specialInQuotes(c) {
		if s.keepEscapes {
			s.out = append(s.out, s.esc)
		}
		s.out = append(s.out, c)
		s.pos++
		return
	}
	// Upstream: an escape character that escapes nothing is doubled if escapes remain in
	// the result and quotes do not. Without the quotes, a single escape character would
	// escape the next character.
	if s.keepEscapes && (s.mode&KeepQuotes == 0 || pattern) {
		s.out = append(s.out, s.esc)
	}
	s.out = append(s.out, s.esc)
}

// putQuote appends a quote character to the output if the mode preserves quotes.
func (s *scanner) putQuote(q byte) {
	if s.mode&KeepQuotes != 0 {
		s.out = append(s.out, q)
	}
}
